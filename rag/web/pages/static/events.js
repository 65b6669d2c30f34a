// Server-sent events of a response: calls `each` with the name and the data of every event. The page loads this file, and
// the server puts it into the script of the widget.
async function readEvents(response, each) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
      const lines = held.slice(0, end).split("\n");
      held = held.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(name + ": "))?.slice(name.length + 2);
      each(field("event"), JSON.parse(field("data")));
    }
  }
}
