// The expressions of a Grafana board as a file of recording rules, so that promtool can check them:
// node script/board-rules.mjs <board.json>
import { readFileSync } from 'node:fs';

const board = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const expressions = board.panels.flatMap((panel) => panel.targets.map((target) => target.expr));
const plain = (text) => text.replaceAll('$__rate_interval', '5m').replace(/\$\w+/g, '.*');
const rules = expressions.map((text, at) => ({ record: `board:${at}`, expr: plain(text) }));
console.log(JSON.stringify({ groups: [{ name: 'board', rules }] }));
