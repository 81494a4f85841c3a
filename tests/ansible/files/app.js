// Says what it was told by its environment, and never the secret itself.
const { GREETING = "hello", SECRET = "", PORT } = process.env;
if (GREETING === "broken") {
  console.error("no greeting of that kind");
  process.exit(3);
}
require("http").createServer((_, answer) => answer.end(`${GREETING} ${SECRET.length}`)).listen(PORT, "127.0.0.1");
