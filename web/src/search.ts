// The search box: words as people type them, turned into what the API asks for.
//
//   id:20   name:sync   error:429   state:failed   data.shop:acme   data.sku~ab   data.n!=5   "two words"

import type { Query } from './api/client';
import { STATES } from './ui/parts';

export interface Search {
  query: Query;
  /** How each word was understood, to be shown. */
  understood: string[];
  /** What cannot be searched for; then nothing is asked. */
  problem: string | null;
}

const WORDS = /(?:[^\s"]+|"[^"]*"?)+/g;
const FIELD = /^(id|name|error|state)[:=](.*)$/s;
const PATH = /^((?:data|opts|progress|returnvalue|result)\.[^=~!:<>]+)(!=|[=~:])(.*)$/s;
const ID = /^(\d+|[0-9a-f]{8}-[0-9a-f-]{27})$/i;
const WHERE_MAX = 5;

const unquoted = (text: string): string => text.replaceAll('"', '');

export function understand(text: string): Search {
  const query: Query = {};
  const where: string[] = [];
  const understood: string[] = [];
  let problem: string | null = null;
  for (const word of text.match(WORDS) ?? []) {
    const field = FIELD.exec(word);
    const path = field ? null : PATH.exec(word);
    if (field) {
      const name = field[1] as string;
      const value = unquoted(field[2] ?? '');
      if (name === 'state' && !(STATES as string[]).includes(value)) problem = `there is no state “${value}”: ${STATES.join(', ')}`;
      query[name] = value;
      understood.push(name === 'error' ? `error contains “${value}”` : `${name} is ${value}`);
    } else if (path) {
      const [, at = '', op, value = ''] = path;
      const asked = `${at.replace(/^result\./, 'returnvalue.')}${op === ':' ? '=' : op}${unquoted(value)}`;
      where.push(asked);
      understood.push(`${at} ${op === '~' ? 'contains' : op === '!=' ? 'is not' : 'is'} ${unquoted(value)}`);
    } else if (ID.test(word)) {
      query.id = word;
      understood.push(`id is ${word}`);
    } else {
      const value = unquoted(word);
      query.name = value.includes('*') ? value : `*${value}*`;
      understood.push(`name contains “${value}”`);
    }
  }
  if (where.length > WHERE_MAX) problem = `at most ${WHERE_MAX} conditions on data at a time`;
  if (where.length) query.where = where;
  return { query, understood, problem };
}
