// The question box on any docs site: one custom element in a closed shadow root, which asks the server of this script.
// It sets no cookie, stores nothing, and loads nothing but answers.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || customElements.get("support-engine-widget")) return;
  const server = new URL(script.src).origin;
  const settings = /*SETTINGS*/;
  const given = script.dataset;
  const title = given.title || settings.title;
  const label = given.label || "Ask a question";
  const names = ["source", "kind", "label", "state", "since", "until", "version"];

  const css = `
:host { all: initial; }
* { box-sizing: border-box; }
.root { --ink: #1b1f24; --soft: #57606a; --card: #fff; --line: #d8dce1; --edge: #868e96; --accent: #1f5f8b; --mark: #e8f1f8; --code: #f4f5f6; --alarm: #9a2a1f;
  color-scheme: light; font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); }
.root.dark { --ink: #e6e8ea; --soft: #9fa9b3; --card: #1b1f23; --line: #363c43; --edge: #6f7880; --accent: #85bfe6; --mark: #20323f; --code: #22272c; --alarm: #f0a79d; color-scheme: dark; }
button, input { font: inherit; color: inherit; border: 1px solid var(--edge); border-radius: 8px; padding: 8px 12px; background: var(--card); min-width: 0; }
button { cursor: pointer; }
button.main { background: ${settings.color}; color: ${settings.ink}; border-color: transparent; font-weight: 600; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.open { position: fixed; right: 20px; bottom: 20px; z-index: 2147483000; border-radius: 999px !important; box-shadow: 0 2px 10px rgb(0 0 0 / 30%); }
dialog { width: min(640px, calc(100vw - 24px)); max-height: 86vh; padding: 0; border: 1px solid var(--line); border-radius: 12px; background: var(--card); color: var(--ink); overflow: hidden; }
dialog[open] { display: flex; flex-direction: column; }
dialog::backdrop { background: rgb(0 0 0 / 45%); }
header { display: flex; gap: 12px; align-items: center; justify-content: space-between; padding: 14px 18px 0; }
h2 { margin: 0; font-size: 18px; }
h3 { margin: 18px 0 8px; font-size: 16px; overflow-wrap: anywhere; }
h4, h5, h6 { margin: 12px 0 4px; font-size: 15px; }
.body { overflow: auto; padding: 8px 18px; overflow-wrap: anywhere; }
form { display: flex; gap: 8px; padding: 8px 18px; }
form input { flex: 1; }
footer { padding: 4px 18px 14px; font-size: 12px; color: var(--soft); }
a { color: var(--accent); }
pre { background: var(--code); padding: 10px 12px; border-radius: 8px; overflow-x: auto; font-size: 14px; overflow-wrap: normal; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .9em; }
:not(pre) > code { background: var(--code); padding: 1px 5px; border-radius: 4px; }
.copy { float: right; margin: 6px; padding: 1px 8px; font-size: 12px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; } th, td { border: 1px solid var(--line); padding: 4px 8px; text-align: left; }
.marker { background: var(--mark); color: var(--accent); border-radius: 5px; padding: 0 5px; font-size: .8em; font-weight: 600; text-decoration: none; }
.sources { padding-left: 0; list-style: none; font-size: 14px; }
.sources li { margin: 8px 0; }
blockquote { margin: 4px 0; padding-left: 10px; border-left: 3px solid var(--line); color: var(--soft); }
blockquote p, article > :first-child { margin-top: 0; }
.error { color: var(--alarm); }
.soft { color: var(--soft); font-size: 14px; }
.votes { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; font-size: 14px; color: var(--soft); }
.votes button { padding: 3px 10px; }
.votes button[aria-pressed=true] { background: var(--mark); color: var(--accent); }
.examples button { display: block; margin: 6px 0; text-align: left; width: 100%; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  // Only addresses of the web are opened; a file of the server opens on its own page.
  function link(address, text) {
    let url = null;
    try {
      url = new URL(address, server);
    } catch {
      /* shown as text */
    }
    if (!url || !/^https?:$/.test(url.protocol)) return document.createTextNode(text);
    return element("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, text);
  }

  // The colour that the site shows behind its text tells whether it is dark; without one, the reader's preference does.
  function isDark() {
    for (const place of [document.body, document.documentElement]) {
      const [red, green, blue, alpha = 1] = (getComputedStyle(place).backgroundColor.match(/[\d.]+/g) || []).map(Number);
      if (alpha > 0.5 && blue !== undefined) return 0.299 * red + 0.587 * green + 0.114 * blue < 110;
    }
    const scheme = getComputedStyle(document.documentElement).colorScheme;
    if (scheme === "dark" || scheme === "light") return scheme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  /*EVENTS*/
  class Widget extends HTMLElement {
    #after = null;
    #running = null;
    #root;
    #dialog;
    #body;
    #input;
    #send;
    #status;

    constructor() {
      super();
      const shadow = this.attachShadow({ mode: "closed" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      shadow.adoptedStyleSheets = [sheet];
      this.#body = element("div", { class: "body" });
      this.#input = element("input", {
        type: "search", "aria-label": "Your question", maxlength: settings.longest, placeholder: "How do I …?", required: "", autocomplete: "off",
      });
      this.#send = element("button", { class: "main" }, "Ask");
      this.#status = element("p", { class: "hidden", role: "status" });
      const form = element("form", { onsubmit: (event) => this.#submit(event) }, this.#input, this.#send);
      const close = element("button", { type: "button", onclick: () => this.#dialog.close() }, "Close");
      const page = link(server + "/", "Open the full page");
      this.#dialog = element(
        "dialog",
        { "aria-label": title, onclose: () => this.#running?.abort() },
        element("header", {}, element("h2", {}, title), close),
        form,
        this.#body,
        element("footer", {}, (given.notice || settings.notice) + " ", page),
        this.#status,
      );
      this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
      // A site's own shortcuts do not see what is typed here.
      this.#dialog.addEventListener("keydown", (event) => event.stopPropagation());
      const open = element("button", { class: "open main", type: "button", onclick: () => this.open() }, label);
      this.#root = element("div", { class: "root" }, open, this.#dialog);
      shadow.append(this.#root);
      this.#examples();
    }

    connectedCallback() {
      const adapt = () => this.#root.classList.toggle("dark", isDark());
      adapt();
      const observer = new MutationObserver(() => setTimeout(adapt, 50));
      for (const place of [document.documentElement, document.body]) observer.observe(place, { attributes: true });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", adapt);
      this.adapt = adapt;
    }

    open() {
      this.adapt();
      if (!this.#dialog.open) this.#dialog.showModal();
      this.#input.focus();
    }

    #examples() {
      const ask = (question) => () => {
        this.#input.value = question;
        this.#ask(question);
      };
      const buttons = settings.examples.map((one) => element("button", { type: "button", onclick: ask(one) }, one));
      if (buttons.length) this.#body.append(element("div", { class: "examples" }, ...buttons));
    }

    #submit(event) {
      event.preventDefault();
      if (this.#running) this.#running.abort();
      else if (this.#input.value.trim()) this.#ask(this.#input.value.trim());
    }

    async #ask(question) {
      const control = (this.#running = new AbortController());
      this.#send.textContent = "Stop";
      this.#input.required = false;
      const article = element("article", { "aria-busy": "true" }, element("p", { class: "soft" }, "Searching the sources …"));
      const turn = element("section", {}, element("h3", {}, question), article);
      this.#body.querySelector(".examples")?.remove();
      this.#body.append(turn);
      turn.scrollIntoView({ block: "nearest" });
      this.#status.textContent = "Searching the sources.";
      try {
        await this.#stream(question, turn, article, control.signal);
        this.#input.value = "";
      } catch (error) {
        const stopped = control.signal.aborted;
        if (article.querySelector(".soft")) article.replaceChildren();
        const offline = error instanceof TypeError;
        const said = stopped ? "Stopped." : offline ? "The server cannot be asked from this page." : error.message;
        turn.append(element("p", stopped ? { class: "soft" } : { class: "error", role: "alert" }, said));
      } finally {
        article.removeAttribute("aria-busy");
        this.#running = null;
        this.#send.textContent = "Ask";
        this.#input.required = true;
      }
    }

    async #stream(question, turn, article, signal) {
      const parameters = new URLSearchParams({ q: question });
      for (const name of names) {
        const value = given["filter" + name[0].toUpperCase() + name.slice(1)];
        if (value) parameters.set(name, value);
      }
      if (this.#after) parameters.set("after", this.#after);
      const response = await fetch(server + "/stream?" + parameters, { signal, credentials: "omit", referrerPolicy: "no-referrer" });
      if (!response.ok) {
        const body = await response.json().catch(() => ({}));
        throw new Error(body.error || "The server did not answer. Please try again.");
      }
      let whole = false;
      await readEvents(response, (name, data) => {
        if (name === "html") article.innerHTML = data.html; // made and escaped by the server
        else if (name === "error") throw new Error(data.error);
        else if (name === "answer") {
          whole = true;
          this.#finish(turn, article, data);
        }
      });
      if (!whole) throw new Error("The answer broke off. Please try again.");
    }

    #finish(turn, article, data) {
      article.innerHTML = data.html; // made and escaped by the server
      this.#status.textContent = data.answered ? "The answer is ready." : "The sources do not answer this.";
      const items = data.sources.map((source) => {
        const quote = element("blockquote");
        quote.innerHTML = data.answered ? source.quote : ""; // made and escaped by the server
        const mark = element("span", { class: "marker" }, String(source.n));
        return element("li", { tabindex: "-1" }, mark, " ", link(source.address, source.title), ...(quote.innerHTML ? [quote] : []));
      });
      for (const marker of article.querySelectorAll("a.marker")) {
        marker.addEventListener("click", (event) => {
          event.preventDefault();
          const item = items.find((one) => one.firstChild.textContent === marker.textContent);
          item?.scrollIntoView({ block: "nearest" });
          item?.focus();
        });
      }
      for (const pre of article.querySelectorAll("pre")) pre.before(this.#copy(pre));
      for (const said of [data.note, data.likelihood]) if (said) turn.append(element("p", { class: "soft" }, said));
      if (items.length) {
        turn.append(element("p", { class: "soft" }, data.answered ? "Sources" : "Nearest pages"));
        turn.append(element("ul", { class: "sources" }, ...items));
      }
      if (!data.id) return;
      this.#after = data.id;
      turn.append(this.#votes(data.id, data.answered));
    }

    #copy(pre) {
      const copy = async () => {
        const copied = await navigator.clipboard?.writeText(pre.textContent).then(() => true, () => false);
        button.textContent = copied ? "Copied" : "Not copied";
      };
      const button = element("button", { class: "copy", type: "button", "aria-label": "Copy this code", onclick: copy }, "Copy");
      return button;
    }

    #votes(id, answered) {
      const address = server + "/answers/" + encodeURIComponent(id);
      const said = element("span", {}, answered ? "Is this answer correct?" : "Is this right?");
      const votes = [["up", "Yes"], ["down", "No"]].map(([thumb, text]) =>
        element("button", { type: "button", "aria-pressed": "false", onclick: (event) => vote(thumb, event.target) }, text));
      const vote = async (thumb, pressed) => {
        const sent = await fetch(address, {
          method: "POST", body: new URLSearchParams({ thumb }), credentials: "omit", headers: { Accept: "application/json" },
        }).then((response) => response.ok, () => false);
        said.setAttribute("role", "status");
        said.textContent = sent ? "Thank you for your feedback." : "This could not be sent.";
        if (sent) for (const one of votes) one.setAttribute("aria-pressed", String(one === pressed));
      };
      return element("div", { class: "votes" }, said, ...votes, link(address, "Open this answer"));
    }
  }

  customElements.define("support-engine-widget", Widget);
  const start = () => {
    const widget = document.createElement("support-engine-widget");
    document.body.append(widget);
    if (given.hotkey === "off") return;
    document.addEventListener("keydown", (event) => {
      if ((event.metaKey || event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        widget.open();
      }
    });
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
