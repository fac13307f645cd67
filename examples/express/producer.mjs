// Adds a job every two seconds with npm bull and waits for its end: node producer.mjs [how many]
import Bull from 'bull';

const count = Number(process.argv[2] ?? Infinity);
const mail = new Bull('mail', process.env.REDIS_URL);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

for (let n = 1; n <= count; n += 1) {
  const job = await mail.add('welcome', { to: `customer-${n}@example.com` }, { attempts: 5, backoff: 1000 });
  console.log(`job ${job.id}`, await job.finished());
  if (n < count) await pause(2000);
}
await mail.close();
