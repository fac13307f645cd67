// What Bullock starts for each job: the job comes on standard input as JSON, JSON lines go to standard output.
let text = '';
for await (const chunk of process.stdin) text += chunk;
const job = JSON.parse(text);

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// One function for each job name: it takes the job's data and gives its result.
const handlers = {
  async welcome(data) {
    say({ log: `a mail to ${data.to}` });
    say({ progress: { total: 1, processed: 1 } });
    return { sent: true, to: data.to };
  },
};

if (!Object.hasOwn(handlers, job.name)) {
  // retryable: false = it will never work, whatever attempts are left.
  say({ error: { message: `no handler for ${job.name}`, retryable: false } });
} else {
  try {
    say({ result: (await handlers[job.name](job.data)) ?? null });
  } catch (error) {
    say({ error: { message: error.message } });
  }
}
