// A job as a program: the job comes on standard input, JSON lines go to standard output.
let text = '';
for await (const chunk of process.stdin) text += chunk;
const job = JSON.parse(text);
const { rows } = job.data;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ log: `a report of ${rows} rows` });
say({ progress: 50 });
say({ progress: 100 });
say({ result: { rows, bytes: rows * 80 } });
