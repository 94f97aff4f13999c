"""What the language model may ask Lyra to do while it answers; code decides what is true.

tool               what a tool is: its description for the model, and what it does
find_music         does this music exist, and does the listener know it?
search_catalogue   search Spotify's catalogue freely
get_listening      more of the listener's own data: other time ranges, a playlist's tracks
propose_playlist   show the listener a playlist that they may save
own_details        the listener's own playlists and their tracks, for the two above
requested_length   how long a playlist the listener's words ask for
toolbox            all tools: what is offered, and the calls of one answer with their limits

Begin with `toolbox.AnswerTools.run`. A new tool is a module like `find_music`, and a line in
`toolbox.TOOLS`.
"""
