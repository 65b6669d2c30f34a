// The page is whole without this script. With it, an answer streams in and can be stopped, a citation opens a panel,
// code and addresses can be copied, and a vote is sent without leaving the page.
"use strict";

const thread = document.getElementById("thread");
const announcer = document.getElementById("status");
let running = null;

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function button(text, attributes, act) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

function announce(text) {
  if (announcer) announcer.textContent = text;
}

async function sentence(response) {
  try {
    return (await response.json()).error;
  } catch {
    return "The server did not answer. Please try again.";
  }
}

function copyButton(textOf, name) {
  const copy = button("Copy", { class: "copy", "aria-label": name }, async () => {
    try {
      await navigator.clipboard.writeText(textOf());
      copy.textContent = "Copied";
      announce("Copied.");
    } catch {
      copy.textContent = "Not copied";
    }
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  return copy;
}

function enhance(root) {
  for (const pre of root.querySelectorAll("pre")) {
    if (pre.parentElement.classList.contains("code")) continue;
    const frame = element("div", { class: "code" });
    pre.replaceWith(frame);
    frame.append(pre, copyButton(() => pre.textContent, "Copy this code"));
  }
  for (const link of root.querySelectorAll("a.share")) {
    link.after(" ", copyButton(() => link.href, "Copy the address of this answer"));
  }
}

// An answer that is being made.
function pending(question) {
  const turn = element("section", { class: "turn", "aria-label": question.slice(0, 60) });
  const article = element("article", { class: "answer", "aria-busy": "true" });
  const status = element("p", { class: "busy" }, "Searching the sources …");
  turn.append(element("h2", { class: "question", tabindex: "-1" }, question), article, status);
  return { turn, article, status };
}

async function ask(form) {
  const parameters = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value.trim()) parameters.append(name, value.trim());
  const question = parameters.get("q");
  if (!question) return;
  running?.abort();
  const control = (running = new AbortController());
  if (form.dataset.ask !== "follow-up") thread.replaceChildren();
  for (const old of document.querySelectorAll("main > .error, main > .examples")) old.remove();
  const { turn, article, status } = pending(question);
  const stop = button("Stop", { class: "stop" }, () => control.abort());
  status.append(" ", stop);
  thread.append(turn);
  turn.scrollIntoView({ block: "nearest" });
  announce("Searching the sources.");
  history.pushState(null, "", "/?" + parameters);
  document.title = question;
  try {
    const response = await fetch("/stream?" + parameters, { signal: control.signal });
    if (!response.ok) throw new Error(await sentence(response));
    let whole = false;
    await readEvents(response, (name, data) => {
      if (name === "html") {
        article.innerHTML = data.html; // made and escaped by the server
      } else if (name === "error") {
        throw new Error(data.error);
      } else if (name === "answer") {
        whole = true;
        finish(form, turn, data, parameters);
      }
    });
    if (!whole) throw new Error("The answer broke off. Please try again.");
  } catch (error) {
    if (control.signal.aborted) {
      end(article, status, "Stopped.");
      if (running === control) announce("Stopped.");
    } else {
      end(article, status, "");
      const said = error instanceof TypeError ? "The server did not answer. Please try again." : error.message;
      turn.append(element("p", { class: "error", role: "alert" }, said));
    }
  } finally {
    if (running === control) running = null;
  }
}

function end(article, status, text) {
  article.removeAttribute("aria-busy");
  if (!article.textContent) article.remove();
  if (text) status.textContent = text;
  else status.remove();
}

function finish(form, turn, data, parameters) {
  const made = document.createElement("template");
  made.innerHTML = data.turn; // made and escaped by the server
  const whole = made.content.firstElementChild;
  turn.replaceWith(whole);
  enhance(whole);
  announce(data.answered ? "The answer is ready." : "The sources do not answer this.");
  const follow = document.querySelector("form.follow-up");
  if (!data.id) return;
  follow.hidden = false;
  follow.reset();
  for (const old of follow.querySelectorAll("input[type=hidden]")) old.remove();
  parameters.delete("q");
  parameters.set("after", data.id);
  for (const [name, value] of parameters) follow.append(element("input", { type: "hidden", name, value }));
}

// A citation opens a panel with the quote in its place.
function openPanel(marker, source) {
  const panel = element("dialog", { class: "panel", "aria-label": "Source " + marker.textContent });
  const copy = element("div");
  copy.append(...[...source.childNodes].map((node) => node.cloneNode(true)));
  for (const place of copy.querySelectorAll("details")) place.open = true;
  // Nothing in the copy is looked up by its id.
  for (const named of copy.querySelectorAll("[id]")) named.removeAttribute("id");
  panel.append(button("Close", { class: "close" }, () => panel.close()), copy);
  panel.addEventListener("click", (event) => event.target === panel && panel.close());
  panel.addEventListener("close", () => {
    panel.remove();
    marker.focus();
  });
  document.body.append(panel);
  panel.showModal();
}

async function vote(form, pressed) {
  const body = new URLSearchParams(new FormData(form));
  body.set("thumb", pressed.value);
  const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  const said = form.querySelector("span");
  said.setAttribute("role", "status");
  said.textContent = response.ok ? "Thank you for your feedback." : await sentence(response);
  if (!response.ok) return;
  const down = body.get("better_page").trim() ? "down" : pressed.value;
  for (const one of form.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.value === down));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.ask !== undefined && thread) {
    event.preventDefault();
    ask(form);
  } else if (form.matches("form.feedback")) {
    event.preventDefault();
    vote(form, event.submitter ?? form.querySelector("button"));
  }
});

document.addEventListener("click", (event) => {
  const marker = event.target.closest?.("article a.marker");
  const source = marker && document.getElementById(marker.getAttribute("href").slice(1));
  if (!source || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openPanel(marker, source);
});

window.addEventListener("popstate", (event) => {
  if (!location.hash) location.reload();
});
enhance(document);
