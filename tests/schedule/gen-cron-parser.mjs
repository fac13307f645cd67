#!/usr/bin/env node
// Makes cron-parser-4.9.json: what npm cron-parser answers, over a grid of patterns, zones and instants.
//
//   npm i cron-parser@4.9.0      (in some scratch directory)
//   cd <that directory>
//   node <path>/gen-cron-parser.mjs > cron-parser-4.9.json
//
// Every answer comes from a fresh parse, as Bull 4 does for each occurrence. Deterministic for one version of
// cron-parser and of Node's time zone data (both are in the output).
import { createRequire } from 'node:module';
import path from 'node:path';

process.env.TZ = 'UTC';
const req = createRequire(path.join(process.cwd(), 'resolve-from-here.js'));
const parser = req('cron-parser');

const next = (pattern, tz, after) =>
  parser.parseExpression(pattern, { currentDate: new Date(after), tz }).next().getTime();

// Ordinary patterns and those that meet the clock changes.
const patterns = [
  '* * * * *', '*/5 * * * *', '*/7 * * * *', '5/15 * * * *', '0 * * * *', '30 * * * *', '59 59 * * * *', '*/20 * * * * *',
  '0 0 * * *', '30 0 * * *', '0 1 * * *', '30 1 * * *', '15 2 * * *', '0 2 * * *', '30 2 * * *', '45 2 * * *', '0 3 * * *',
  '30 3 * * *', '59 23 * * *', '0 */2 * * *', '30 */3 * * *', '0 1,2,3 * * *', '0 2,3 * * *', '*/30 1-3 * * *',
  '*/15 0-2 * * *', '* 2 * * *', '* 1 * * *', '0 0-23 * * *', '0 0,0-23 * * *', '0 0-22 * * *', '0 12 * * 1-5', '0 9 * * 0',
  '0 2 * * 0', '0 0 * * 7', '0 0 13 * 5', '0 0 1-7 * 1', '0 0 * * 0-6', '0 0 10 * 0-6', '0 0 10 * 1-7', '0 0 1 * *',
  '0 0 31 * *', '0 0 L * *', '0 0 15,L * *', '0 0 * * 5L', '0 2 * * 0L', '0 0 * * 1#2', '0 2 * * 0#2', '0 0 29 2 *',
  '0 0 1-28 2 1', '0 0 1-29 2 1', '0 0 1-29 2,3 1', '0 0 1-30 * 1', '0 0 1 1 *', '0 0 1 */3 *', '@hourly', '@daily', '@weekly',
  '@monthly', '@yearly', '1 2 *', '0 0 31 2,4 *', '0 30 2 * * *', '15,45 30 1-2 * * *'
];

const t = text => Date.parse(text);
// Around clock changes of each zone: the day before, just before, in the odd hour, after; and an instant with ms.
const places = {
  UTC: ['2023-11-14T22:13:20.123Z', '2024-02-28T23:59:59Z', '2099-12-31T23:59:59.999Z'],
  'Europe/Rome': ['2024-03-30T12:00:00Z', '2024-03-31T00:59:59.999Z', '2024-03-31T01:00:00Z', '2024-10-26T12:00:00Z', '2024-10-27T00:30:00Z', '2024-10-27T01:15:00.5Z'],
  'Europe/Helsinki': ['2024-03-30T12:00:00Z', '2024-03-31T00:30:00Z', '2024-10-26T20:00:00Z', '2024-10-27T00:10:00Z', '2024-10-27T01:30:00Z'],
  'America/New_York': ['2024-03-09T12:00:00Z', '2024-03-10T06:30:00Z', '2024-11-02T12:00:00Z', '2024-11-03T05:15:00Z', '2024-11-03T06:00:00Z'],
  'America/Sao_Paulo': ['2018-11-03T12:00:00Z', '2018-11-04T02:59:59Z', '2018-02-17T12:00:00Z', '2018-02-18T01:30:00Z', '2018-02-18T02:30:00Z'],
  'Australia/Lord_Howe': ['2024-10-05T00:00:00Z', '2024-10-05T15:20:00Z', '2024-04-06T00:00:00Z', '2024-04-06T14:45:00Z', '2024-04-06T15:10:00Z'],
  'Asia/Beirut': ['2024-03-30T12:00:00Z', '2024-10-26T20:30:00Z'],
  'Africa/Casablanca': ['2024-03-09T12:00:00Z', '2024-04-13T12:00:00Z'],
  'Asia/Kathmandu': ['2024-06-30T18:14:59Z'],
  'Pacific/Apia': ['2011-12-29T00:00:00Z'],
  'America/Santiago': ['2024-09-07T12:00:00Z', '2024-04-06T12:00:00Z'],
  'Antarctica/Troll': ['2024-03-30T12:00:00Z', '2024-10-26T12:00:00Z'],
  'UTC+5': ['2024-12-31T18:59:59Z'],
  'utc-03:30': ['2024-12-31T18:59:59Z']
};
const HITS = 3;

const grid = [];
for (const [zone, instants] of Object.entries(places)) {
  for (const text of instants) {
    // One text for each pattern: the hits as seconds since the one before, '-' = none.
    const rows = patterns.map(pattern => {
      const hits = [];
      let after = t(text);
      for (let i = 0; i < HITS; i++) {
        let hit;
        try { hit = next(pattern, zone, after); } catch { hits.push('-'); break; }
        hits.push((hit - Math.floor(after / 1000) * 1000) / 1000);
        after = hit;
      }
      return hits.join(' ');
    });
    grid.push({ zone, after: t(text), rows });
  }
}

// The dialect: what is taken, and what it means (the next hits after one instant, UTC), and what is refused.
const odd = [
  '', '   ', '5', '1 2 *', '0 0 1 1 * \n', '0\t0 1 1 *', '0 0\u00a0* * *', ' 0  12 * * * ', '0 0 12 * * * 2025', '0 0 * * 1 2 3',
  '@YEARLY', ' @daily', '@reboot', '@midnight', '@annually', 'not a cron',
  '60 * * * *', '61 * * * *', '60 * * * * *', '0 24 * * *', '0 0 0 * *', '0 0 32 * *', '0 0 * 0 *', '0 0 * 13 *', '0 0 * * 8',
  '99999999999999999999 * * * *', '1-99999999999999999999 * * * *', '05 * * * *', '005-010 * * * *', '1.5 * * * *', '+5 * * * *',
  '-5 * * * *', '- * * * *', '-- * * * *', '0- * * * *', '1- * * * *', '1-5-9 * * * *', '50-10 * * * *', '0 0 * * 6-0',
  '/5 * * * *', '5/ * * * *', '*/* * * * *', '*/0 * * * *', '*/60 * * * *', '*/100 * * * *', '1-5/0 * * * *', '5/15/2 * * * *',
  '*/1-5 * * * *', '** * * * *', '1,,2 * * * *', ', * * * *', '0 0 * * 1,', '1-5,3-9/2,*/30 * * * *',
  '? * * * *', '0 ? * * *', '0 0 ? * *', '0 0 * ? *', '0 0 * * ?', '0 0 *? * *', '0 0 ?/3 * *',
  '0 0 * janu *', '0 0 * jan-mar *', '0 0 * jan* *', 'jan * * * *', '0 0 * feb-1 *', '0 0 * * sun-mon', '0 0 * * sat-sun', '0 0 * * Thu,FRI',
  '0 0 * * monday', '0 9 * JAN mon-fri', '0 0 h * *', '0 0 1W * *', '0 0 * * 1W', '0 0 1\u200b * *',
  '* * * * 0-6', '* * * * 1-7', '* * * * 4-7/2', '* * * * 5-7/2', '* * * * *,1', '* * * * 1,1', '* * * * 7,0', '* * * * 7/2', '* * * * 0/2',
  '* * * * */2', '* * * * */3', '0 0 * * 7-7', '0 0 * * 0-0', '0 0 * * 7-7/2', '0 0 * * 0-7/2', '0 0 * * 0-7/8', '0 0 * * 0-7/7', '0 0 * * 1-7/7',
  '0 0 L,L * *', '0 0 5L * *', '0 0 L5 * *', '0 0 L/2 * *', '0 0 L-3 * *', '0 0 *L * *', '0 0 * * L', '0 0 * * L5', '0 0 * * LL', '0 0 * * 5L,1',
  '0 0 * * 55L', '0 0 * * 7L', '0 0 * * 8L', '0 0 * * ?L', '0 0 * * *L', '0 0 * * 5L/2', '0 0 * * 1-5L', '0 0 13 * 5L', '0 0 1 * friL',
  '0 0 * * 1#1.5', '0 0 * * 1#1e0', '0 0 * * *#2', '0 0 * * ?#2', '0 0 * * mon#2', '0 0 * * 5L#2', '0 0 * * 1,2#2', '0 0 * * 1#', '0 0 * * #2',
  '0 0 * * 1#2#3', '0 0 * * 1#6', '0 0 * * 1#0', '0 0 * * 1-2#2', '0 0 * * 1/2#2', '0 0 13 * 5#2', '0 0 * * 1#+2', '0 0 * * 1#02', '0 0 * * 1#5',
  '0 0 30 2 *', '0 0 30 2-2 *', '0 0 31 2,2 *', '0 0 31 4 *', '0 0 30,31 4 *', '0 0 1,31 4 *', '0 0 30,L 2 *', '0 0 L 2 *', '0 0 31 11/3 *', '0 0 31 */12 *',
  '0 0 * 2 *', '0 0 1-30 4 1', '0 0 1-28 2 1', '0 0 */2 * *', '0 0 1-31 * 1', '0 0 1-15,16-31 * 1', '0 0 1,1-30 * 1', '0 0 29 2 1', '0 0 31,31 4 1',
  '0 0 L7 10 *', '0 0 5L,L 10 *', '0 0 3,L7 10 *', '0 0 * * L,*', '-0 * * * *', '0 0 * * -sun'
];
const AFTER = 1700000000000;
const dialect = odd.map(pattern => {
  let taken;
  try { parser.parseExpression(pattern, { currentDate: new Date(AFTER), tz: 'UTC' }); taken = true; } catch (e) { return { pattern, error: e.message }; }
  const hits = [];
  let after = AFTER;
  for (let i = 0; taken && i < HITS; i++) {
    try { after = next(pattern, 'UTC', after); } catch { hits.push(null); break; }
    hits.push(after);
  }
  return { pattern, next: hits };
});

// Drawn patterns at instants around the clock changes of many zones, 1990 to 2036: "pattern|zone|after|next", times in
// ms, the second one since the first, '-' = none.
const DRAWN = 2500;
const zones = ('UTC Europe/Rome Europe/London Europe/Dublin Europe/Helsinki America/New_York America/Los_Angeles America/St_Johns ' +
  'America/Sao_Paulo America/Santiago America/Asuncion America/Havana America/Caracas America/Nuuk America/Scoresbysund ' +
  'Australia/Lord_Howe Australia/Sydney Pacific/Chatham Pacific/Apia Asia/Beirut Asia/Gaza Asia/Amman Asia/Tehran Asia/Kolkata ' +
  'Asia/Pyongyang Africa/Casablanca Africa/Cairo Atlantic/Azores Antarctica/Troll').split(' ');
let seed = 4;
const draw = n => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor(seed / 4294967296 * n);
};
const pick = list => list[draw(list.length)];
const field = (min, max) => {
  const one = () => min + draw(max - min + 1);
  const range = () => [one(), one()].sort((a, b) => a - b).join('-');
  return pick([one, one, one, () => `${one()},${one()}`, range, () => `${range()}/${1 + draw(6)}`, () => `*/${1 + draw(12)}`, () => `${one()}/${1 + draw(9)}`, () => '*'])();
};
const hour = () => (draw(2) ? pick(['0', '1', '2', '3', '4', '23', '0-2', '1-3', '1,2', '2,3', '*', '0,1', '*/2', '22-23,0-3']) : field(0, 23));
const weekday = () => (draw(3) ? '*' : draw(6) ? field(0, 7) : draw(2) ? `${draw(8)}L` : `${draw(8)}#${1 + draw(5)}`);
const offset = (zone, at) => {
  const parts = {};
  for (const { type, value } of clocks[zone].formatToParts(at)) parts[type] = Number(value);
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - at;
};
const numeric = Object.fromEntries(['year', 'month', 'day', 'hour', 'minute', 'second'].map(unit => [unit, 'numeric']));
const clocks = Object.fromEntries(zones.map(zone => [zone, new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', ...numeric })]));
const WEEK = 7 * 86400000;
const changes = zone => {
  const found = [];
  for (let at = Date.UTC(1990, 0, 1); at < Date.UTC(2037, 0, 1); at += WEEK) {
    const before = offset(zone, at);
    if (offset(zone, at + WEEK) === before) continue;
    let [low, high] = [at, at + WEEK];
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (offset(zone, middle) === before) low = middle; else high = middle;
    }
    found.push(high);
  }
  return found.length ? found : [Date.UTC(2000, 1, 29)];
};
const changesOf = Object.fromEntries(zones.map(zone => [zone, changes(zone)]));
const drawn = [];
while (drawn.length < DRAWN) {
  const zone = pick(zones);
  const pattern = [...(draw(4) ? [] : [field(0, 59)]), field(0, 59), hour(), draw(2) ? '*' : draw(8) ? field(1, 31) : 'L', draw(3) ? '*' : field(1, 12), weekday()].join(' ');
  const spread = 1000 * pick([3600, 7200, 21600, 86400, 259200]);
  let after = pick(changesOf[zone]) + draw(2 * spread) - spread;
  if (!draw(3)) after -= after % 1800000;
  try { parser.parseExpression(pattern); } catch { continue; }
  let hit = '-';
  try { hit = next(pattern, zone, after) - after; } catch { /* none */ }
  drawn.push(`${pattern}|${zone}|${after}|${hit}`);
}

const out = { engine: `cron-parser ${req('cron-parser/package.json').version}`, tzdata: process.versions.tz, patterns, after: AFTER };
const lines = [...Object.entries(out).map(([k, v]) => `${JSON.stringify(k)}: ${JSON.stringify(v)}`),
  `"dialect": [\n${dialect.map(d => JSON.stringify(d)).join(',\n')}\n]`, `"drawn": [\n${drawn.map(d => JSON.stringify(d)).join(',\n')}\n]`, `"grid": [\n${grid.map(g => JSON.stringify(g)).join(',\n')}\n]`];
console.log(`{\n${lines.join(',\n')}\n}`);
