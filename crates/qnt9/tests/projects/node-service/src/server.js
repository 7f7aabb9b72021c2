// A service without dependencies: greets, and says whether it is well.
import http from 'node:http';
import { greeting } from './greeting.js';

let stopping = false;

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/readyz') {
    response.writeHead(stopping ? 503 : 200).end(stopping ? 'stopping\n' : 'ready\n');
  } else if (url.pathname === '/greet') {
    response.end(greeting(url.searchParams.get('name')));
  } else {
    response.writeHead(404).end('not found\n');
  }
});

server.listen(process.env.PORT || 3000, '127.0.0.1');

process.on('SIGTERM', () => {
  stopping = true;
  server.close();
});
