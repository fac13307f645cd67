// Charts over time, by uPlot. Fetched only by pages that draw some.

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { count } from '../format';
import { theme } from '../shell/theme';

interface Series { minute: number; completed: number[]; failed: number[] }

const MINUTES = 60;

/** Sums the queues' minutes, oldest first. */
function summed(series: Series[]): { times: number[]; done: number[]; failed: number[] } {
  const newest = Math.max(...series.map((one) => one.minute));
  const minutes = Array.from({ length: MINUTES }, (_, i) => newest - (MINUTES - 1 - i) * 60_000);
  const at = (pick: (one: Series) => number[], minute: number): number =>
    series.reduce((n, one) => n + (pick(one)[Math.round((one.minute - minute) / 60_000)] ?? 0), 0);
  return {
    times: minutes.map((minute) => minute / 1000),
    done: minutes.map((minute) => at((one) => one.completed, minute)),
    failed: minutes.map((minute) => at((one) => one.failed, minute)),
  };
}

const color = (name: string): string => {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

export function Throughput({ series }: { series: Series[] }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const at = useSignal<number | null>(null);
  const { times, done, failed } = summed(series);
  const data: uPlot.AlignedData = [times, done.map((n, i) => n + (failed[i] ?? 0)), failed];
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    plot.current = new uPlot(options(element, (index) => { at.value = index; }), data, element);
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: element.clientHeight }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      plot.current?.destroy();
    };
  }, [theme.value]);
  useEffect(() => plot.current?.setData(data), [times.at(-1), done.join(), failed.join()]);
  const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);
  const i = at.value;
  const words = i === null ? 'a minute, last hour' : `at ${hour(times[i] ?? 0)}: ${count(done[i] ?? 0)} completed, ${count(failed[i] ?? 0)} failed`;
  return (
    <>
      <header>
        <h2>Throughput <span class="quiet at">{words}</span></h2>
        <ul class="legend"><li class="st-completed"><span class="dot" aria-hidden="true" />completed</li><li class="st-failed"><span class="dot" aria-hidden="true" />failed</li></ul>
      </header>
      <div class="chart" ref={box} role="img" aria-label={`Jobs a minute in the last hour: ${count(sum(done))} completed, ${count(sum(failed))} failed`} />
    </>
  );
}

const hour = (seconds: number): string => new Date(seconds * 1000).toTimeString().slice(0, 5);

function options({ clientWidth: width, clientHeight: height }: HTMLElement, pointAt: (index: number | null) => void): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.7, 14], radius: 0.15 });
  const axis = { stroke: color('--text-3'), font: '11px system-ui', ticks: { show: false } };
  return {
    width,
    height,
    padding: [8, 10, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => pointAt(plot.cursor.idx ?? null)] },
    scales: { x: { range: (_, first, end) => [first - 30, end + 30] }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
    axes: [
      { ...axis, size: 28, grid: { show: false }, values: (_, splits) => splits.map(hour) },
      { ...axis, size: 40, grid: { stroke: color('--line'), width: 1 }, values: (_, splits) => splits.map((n) => (Number.isInteger(n) ? count(n) : '')) },
    ],
    series: [
      {},
      { fill: color('--completed-fill'), width: 0, points: { show: false }, paths: bars },
      { fill: color('--failed-fill'), width: 0, points: { show: false }, paths: bars },
    ],
  };
}
