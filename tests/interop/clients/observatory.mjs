// Mozilla's HTTP Observatory grades a page over TLS: what its own site would say of it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, httpPort, httpsPort] = process.argv.slice(2);
const root = join(packages, "node_modules", "@mdn", "mdn-http-observatory");
// Its own installation would fetch these two lists; no name of ours is in them.
writeFileSync(join(root, "conf", "hsts-preload.json"), "{}");
writeFileSync(join(root, "conf", "tld-list.json"), "[]");
const load = (path) => import(pathToFileURL(join(root, "src", path)).href);
const { retrieve } = await load("retriever/retriever.js");
const { ALL_TESTS } = await load("constants.js");
const { getGradeForScore, getScoreModifier } = await load("grader/grader.js");

const answers = await retrieve("localhost", { httpPort, httpsPort });
const results = ALL_TESTS.map((test) => test(answers));
const score = results.reduce((sum, each) => sum + getScoreModifier(each.result), 100);
console.log(
  JSON.stringify({
    status: answers.responses.auto.status,
    grade: getGradeForScore(score).grade,
    score,
    failed: results.filter((each) => !each.pass).map((each) => each.result),
  }),
);
process.exit(0);
