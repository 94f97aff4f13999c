"""Words of every day that artists and songs are called, too: alone they prove nothing.

A sentence may begin with any word of the language; these are the ones that begin many, and those
that people like to name things after.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON_WORDS = _words(
    """
    a acoustic ability about above academy across act actor address after again against age agent air
    alarm alive all alley alone along alphabet already also always amber america an anchor and
    angel angels animal another answer any anything apple april arcade are arena arms army
    around arrow art as ash asia ask asphalt at athens atlas attic august austin author autumn
    avenue away axis baby back bad badger bakery balance ball ballad bamboo band bandit bank
    banner bar barn barrel basement basket battle bay be beach bear beat beautiful beauty
    because bed bee been before behind being beirut believe bell below belt bench berlin berry
    best better between bicycle big bird birds black blanket bliss blood bloom blossom blue blur
    board boat body bomb bone bones book boston both bottle bottom boulder bow bowl box boy boys
    branch brass bread break brick bride bridge bright bring broken brook brother brothers
    bubble bucket build bullet burial bush business busy but butter button by cabin cable cage
    cake california call calm camel camera camp can canal candle candy canyon capital car
    caravan card caribou carpet carriage cars castle cat cathedral cats cave cedar cellar centre
    chain chair chalk chamber chance change changes channel chaos chapel chapter charm chase
    cheap chest chicago child children choice chrome church cinema circle circles citizen city
    class classic clay clean clear click cliff clock close closer cloth clouds clover club coal
    coast coffee coin cold colony color colors come comet company compass concert cool copper
    coral corner cotton country courage course court covers cradle crane crash cream creep crew
    cross crowd crown cruel cruise cry crystal cup curtain curve cut dagger daisy dance dancing
    dark darkness daughter dawn day days dead dear december deep degree delta denver depth
    desert destiny detroit devil dial diamond did different dinner disclosure disco district do
    doctor does dog dogs dolphin done doors doubt dove doves down dragon dream dreams dress
    drift drive driver drop drum drums dublin duke during dusk dust each eagle early earth east
    easy eat echo eden editor editors eight elbow electric element else ember embers empire
    empty end energy engine england enough entrance episode error escape estate eternity europe
    eve even evening ever every everybody everyone everything evil example exit express eyes
    fabric face faces fact factory fair faith fake falcon fall family fancy far farm fashion
    fast father fear feather february feel feeling fern ferry festival fever few field fields
    fig fight figure film finally find fine finger fire first five fix flag flame flash flight
    flood floor flour flower flowers flute fly foals focus fog folk follow fool foreigner forest
    forever forge forget fork fortune fountain four fox frame france free freedom fresh friday
    friend friends from frost frozen fruit fuel full fun fury future galaxy gallery game games
    gap garage garbage garden gate gem general genesis gentle ghost ghosts giant gift girl girls
    give glacier glasgow glass globe glory glow go goat god gold golden gone good goodbye
    gorgeous gospel grace grain grand granite grape grass grave gravity great green grey grizzly
    ground group grow guard guest guide guitar gulf had hair half halo hammer hand hands happy
    harbor harbour hard harmony harvest has hatchet have hawk hazel he head hear heart hearth
    hearts heat heaven heavy hello help helsinki her herb here hero heroes hey high hill him his
    history hive hold hole holiday hollow home honest honey hood hook hope horizon horn horse
    hospital hot hotel hour house how human hunger hunt hunter hurricane hurt husky hymn i ice
    idea if igloo image imagine impulse in inn innocence insect inside interpol into invisible
    iron is island it its ivory ivy jacket jade january jar jasmine jazz jelly jesus jewel joke
    journey joy judge juice july jump junction june jungle juniper jury just justice kansas keep
    kettle key kids kill killer killers kind king kingdom kings kiss kitchen kite knife knight
    knot know lace ladder lady lagoon lake lamb lamp land lane lantern lanterns lark laser last
    late later laugh laundry lava law lawn layer lead leader leaf learn leather leave left
    legend lemon lens less let letter letters level lever liberty library lie life light
    lightning lights like lily lime limit line linen link lion lisbon listen little live living
    load local lock lodge logic london lonely long look looking loop lord lorde lose loss lost
    lot lotus loud love lover lovers low luck lucky lullaby lumber lunch lush machine mad made
    madness magic magnet magnolia mail make man manor mantra many maps marble march margin
    market mars marsh mask mast master match matches may maybe maze me meadow mean measure medal
    media medicine meet melody melon memories memory memphis men mercy mesa message metal meteor
    metric miami middle midnight might milan mill mind mine mineral minor mint minute mirror
    mirrors miss mist mode modern module mole moment monarch monday money monk monster montreal
    monument mood moon more morning moss most moth mother motion motor mountain mouth move
    movement mud mural muse museum music must mustang my mystery naked name nation nature near
    nectar need needle neighbors neon nest net never new news next nice nickel night nights nine
    nirvana no nobody noise noon north not notebook nothing novel november now nugget number
    nurse oak oasis oath object oboe ocean october of off often oh oil ok okay old olive omen on
    once one onion only opal open opera or orange orbit orchard orchid order orders organ origin
    oslo other others otter our out outlaw outside over owl own oxygen oyster paddle page pain
    paint palace palm panda panic panther paper parachute parade paradise parcel paris park
    parrot part parts party pass passage passenger past path patience patrol peace peaches pearl
    pebble pendulum penguin people pepper perfect perfume perhaps petal phantom phoenix phone
    piano picture pictures pier pigeon pilot pine pink pioneer pirate pistol pixel pixies place
    plaid plan planet plate play plaza please plum pocket poem poet poison police pollen pond
    pony poor pop poplar poppy porch port portal portrait postcard powder power practice prairie
    pray prayer present pretty pride prince prism prison private prize problem prodigy project
    promise prophet prose proud puddle pulp pulse puppet pure purple push puzzle pyramid quail
    quarry quartz queen question quick quiet quill rabbit racket radio raft rail rain rainbow
    rather raven ray razor reach read ready real reason record red reef region relic remember
    rent republic resin rest return rhyme rhythm ribbon rich riddle ride ridge rifle right ring
    rise river road robin rock rocket roll romance roof room root rope rose roses rough round
    ruby ruin rules rumour run runaway rush sable sad safe sage sail sailor saint salad salmon
    salon salt same sand satellite satin saturday sauce save say scale scarf scene scholar
    school scissors score scout screen sea season second secret see seed self send september
    sequence serious seven shadow shadows shake shape she shelf shell shelter shepherd shine
    ship shoes shore short shot should show shower shrine sick side sign signal silence silent
    silk silver simple since sing single sister six skeleton sketch skin sky slate sled sleep
    sleeve slide sloth slow small smile smith smoke snake snow so soap society socket sofa soft
    soil solar soldier some somebody someone something sometimes son song songs sonnet soon
    sorry soul sound soup south space spade spain spark sparrow speak special spectrum sphere
    spice spider spine spiral spirit sponge spoon spring spruce square squirrel stable stadium
    staff stage stairs stamp stand star stars start state station statue stay steam steel stem
    steps still stockholm stone stones stop stories storm story strand strange stranger straw
    stream street strong studio style sublime subway such suede sugar suit sulphur summer summit
    sun sunday sunset superstar supper sure surface swallow swan sweet swing sword symbol system
    tail take tale talent talk tank tape target tea teacher team tears teenager television tell
    temple ten tent terrace than thank thanks that the theatre their them then theory there
    these they thing things think third this thorn those though thought thread three thrill
    throne through thunder thursday tide tides tiger tile timber time times tin tissue title to
    toast today together tokyo tomb tomorrow tone tonight tool top torch torn toronto touch
    tower town toy track trade trail train trains tram trap travel traveler travis treasure tree
    trees trial triangle tribe trick trip trouble true trumpet trunk trust truth try tuesday
    tulip tunnel turn turtle twelve twenty twice twin two typewriter umbrella under union united
    universe until up upon us use usher vacation valley vault veil velvet venus verse very
    vessel vienna view villa village vine vinyl violet violin virus vision vista voice voices
    vortex voyage wagon wait wake walk walking wall walnut waltz want war warden warm warpaint
    warsaw was wasp watch water wave waves wax way we weather web wedding wednesday week weezer
    weight welcome well west whale what whatever wheat wheel when where while whiskey whisper
    white who whole why widow wild will willow wind window wing winter wire wise wish with
    without wizard wolf wolves woman wonder wonderful wonderland wood wool word words work world
    worship worth would wreck wren wrong yard yarn year years yellow yes yesterday yet york you
    young your yours youth zebra zenith zero zombie zone
    """
)
# Said to somebody, and set in bold as often as a name.
EXCLAMATIONS = _words(
    """
    also bonus finally first great hello hey hi how important listen look no note now oh ok okay
    please remember result right so stop summary sure thanks tip wait warning well what why yes
    """
)
# Before a name, also one at whose beginning a longer one might be thought to stand.
FUNCTION_WORDS = _words(
    """
    a an and are artist artists as at band bands both but by called de die el for from i if in
    into is it la le like loving me my of on or our play playing playlist singer so song than
    that the their then think to too track tracks try und vs was were when while with you your
    """
)
# Behind a name they say something of it; other words in small letters go with it.
PREDICATES = _words(
    """
    also always and appears are as at belongs both brings but by can carries closes comes could did does
    ends feels fits follows for from gets gives goes had has have helps holds in is keeps leads lies makes
    may might never next now of often on once opens or plays ranks remains rises sat shares should shows
    sings sits so sounds stands stays still suits takes that then to too tops was were while who will
    with works would
    """
)
