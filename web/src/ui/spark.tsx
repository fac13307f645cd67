// A small line of bars: what came to an end in each of the last minutes.

import { count } from '../format';

const MINUTES = 60;
const BAR = 2;
const HEIGHT = 20;

interface Series { completed: number[]; failed: number[] }

export function Spark({ series }: { series: Series }) {
  const minutes = Array.from({ length: MINUTES / 2 }, (_, i) => {
    const sum = (list: number[]): number => (list[2 * i] ?? 0) + (list[2 * i + 1] ?? 0);
    return { done: sum(series.completed), failed: sum(series.failed) };
  }).reverse();
  const most = Math.max(1, ...minutes.map((one) => one.done + one.failed));
  const height = (n: number): number => (n ? Math.max(1, (n / most) * HEIGHT) : 0);
  const total = minutes.reduce((n, one) => n + one.done, 0);
  const failed = minutes.reduce((n, one) => n + one.failed, 0);
  const width = minutes.length * (BAR + 1);
  return (
    <svg class="spark" width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={`last hour: ${count(total)} completed, ${count(failed)} failed`}>
      <path d={`M0 ${HEIGHT - 0.5}H${width}`} class="spark-base" />
      {minutes.map((one, i) => {
        const done = height(one.done);
        const bad = height(one.failed);
        return <g key={i}><rect x={i * (BAR + 1)} y={HEIGHT - done} width={BAR} height={done} class="spark-done" /><rect x={i * (BAR + 1)} y={HEIGHT - done - bad} width={BAR} height={bad} class="spark-failed" /></g>;
      })}
    </svg>
  );
}
