/**
 * Types a line into a guest's serial console and waits for what it prints: console.mjs URL LINE PATTERN [SECONDS]
 * Prints what came; exit code 1 when PATTERN (a regular expression) did not come in time.
 */
import { WebSocket } from 'ws';

const [url, line, pattern, seconds = '20'] = process.argv.slice(2);
const socket = new WebSocket(url, ['binary']);
let printed = '';
const end = (code) => {
  process.stdout.write(`${printed.replaceAll('\r', '')}\n`);
  socket.terminate();
  process.exit(code);
};
setTimeout(() => end(1), Number(seconds) * 1000);
socket.on('open', () => { socket.send(Buffer.from('\r')); setTimeout(() => { printed = ''; socket.send(Buffer.from(`${line}\r`)); }, 1000); });
socket.on('message', (data) => {
  printed += data.toString('utf8');
  // Behind the line as the terminal repeats it.
  const answer = printed.slice(printed.indexOf('\n') + 1);
  if (printed.includes('\n') && new RegExp(pattern).test(answer)) end(0);
});
socket.on('error', (error) => { printed += `${error.message}\n`; end(1); });
socket.on('close', () => end(1));
