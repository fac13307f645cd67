// The server behind the page, and its Redis.

import type { ComponentChildren } from 'preact';
import { get } from '../../api/client';
import type { Health } from '../../api/types';
import { age, count } from '../../format';
import { now } from '../../clock';
import { useResource } from '../../live/resource';
import { session } from '../../session';
import { toQueue } from '../../router';
import { Icon } from '../../ui/icon';
import { Note } from '../../ui/parts';
import { Answer, Title } from './frame';

const EVERY_MS = 10_000;
const LOOKS = { ok: 'completed', degraded: 'delayed', down: 'failed' } as const;

export function SystemPage() {
  const health = useResource<Health>('health', (signal) => get(['health'], {}, signal), { everyMs: EVERY_MS });
  return (
    <>
      <Title text="System" />
      <Answer optional resource={health}>{(data) => <Body health={data} />}</Answer>
    </>
  );
}

const Fact = ({ name, children }: { name: string; children: ComponentChildren }) => <><dt>{name}</dt><dd>{children}</dd></>;

function Body({ health }: { health: Health }) {
  const { redis, streams } = health;
  const who = session.value;
  return (
    <>
      {redis.problem ? <Note look="failed"><p class="break">{redis.problem}</p></Note> : null}
      <div class="panels even">
        <section class="card"><header><h2>Bullock</h2><span class={`chip st-${LOOKS[health.status]}`}><Icon name={health.status === 'ok' ? 'check' : 'warn'} small />{health.status}</span></header>
          <dl class="facts body">
            <Fact name="Version">{health.version}{health.commit && health.commit !== 'unknown' ? <span class="faint"> {health.commit}</span> : null}</Fact>
            <Fact name="Up for">{age(Math.max(0, now.value - health.startedAt))}</Fact>
            {health.worker?.draining ? <Fact name="Worker"><span class="word st-delayed">finishing, takes no new jobs</span></Fact> : null}
            <Fact name="Open streams">{count(streams.clients)} of {count(streams.max)}</Fact>
            <Fact name="You are">{who?.name ?? '–'} <span class="tag">{who?.role ?? ''}</span></Fact>
          </dl>
        </section>
        <section class="card"><header><h2>Redis</h2><span class={`chip st-${redis.ok ? 'completed' : 'failed'}`}><Icon name={redis.ok ? 'check' : 'cross'} small />{redis.ok ? 'answers' : 'does not answer'}</span></header>
          <dl class="facts body">
            <Fact name="Version">{redis.version ?? '–'}</Fact><Fact name="Role">{redis.role ?? '–'}</Fact>
            <Fact name="Answers in">{redis.answeredMs === null ? '–' : `${redis.answeredMs.toFixed(1)} ms`}</Fact>
            <Fact name="When memory is full">{redis.evictionPolicy === 'noeviction' ? 'noeviction: writes are refused, no job is lost' : <span class="word st-delayed">{redis.evictionPolicy ?? '–'}: jobs may be thrown away</span>}</Fact>
            <Fact name="Persistence">{redis.persistence === 'none' ? <span class="word st-delayed">none: a restart of Redis loses all jobs</span> : (redis.persistence ?? '–')}</Fact>
          </dl>
        </section>
      </div>
      {health.queues.length ? (
        <section class="card"><header><h2>Queues that this process works on</h2></header>
          <table class="table"><tbody>{health.queues.map((one) => <tr key={one.name}><th scope="row"><a class="open break" href={toQueue(one.name)}>{one.name}</a></th><td class="quiet">{one.dialect}</td><td class="num">{one.problem ? <span class="word st-failed break">{one.problem}</span> : one.claimed ? <span class="word st-completed"><Icon name="check" small />claims jobs</span> : <span class="word st-delayed"><Icon name="clock" small />not yet</span>}</td></tr>)}</tbody></table>
        </section>
      ) : null}
    </>
  );
}
