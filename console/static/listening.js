// The player's hands: marks seek, keys play and mark, and what is typed is kept as a draft while it is typed.
// Everything here also works without this script, with one more click.
"use strict";
(function () {
  const sound = document.getElementById("sound");
  const form = document.getElementById("review");
  const EVERY_MS = 4000;

  // ---- the sound ----------------------------------------------------------------------------------
  function seek(second, play) {
    if (!sound) return;
    sound.currentTime = Math.max(0, second);
    if (play) sound.play().catch(function () {});
  }

  document.addEventListener("click", function (event) {
    const mark = event.target.closest("[data-seek]");
    if (mark && sound) {
      event.preventDefault();
      return seek(Number(mark.dataset.seek), true);
    }
    const skip = event.target.closest("[data-skip]");
    if (skip && sound) return seek(sound.currentTime + Number(skip.dataset.skip), false);
    const here = event.target.closest("[data-here]");
    if (here && sound) {
      const field = document.getElementById(here.dataset.here);
      field.value = stamp(sound.currentTime);
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    }
  });

  function stamp(second) {
    const tenths = Math.round(second * 10), whole = Math.floor(tenths / 10);
    const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
    const two = function (n) { return String(n).padStart(2, "0"); };
    return (hours ? hours + ":" + two(minutes) : minutes) + ":" + two(whole % 60) + (tenths % 10 ? "." + tenths % 10 : "");
  }

  if (sound) {
    document.querySelectorAll("[data-script]").forEach(function (part) { part.hidden = false; });
    const speed = document.getElementById("speed");
    speed.addEventListener("change", function () { sound.playbackRate = Number(speed.value); });
    sound.addEventListener("error", function () { document.getElementById("silent").hidden = false; });
    const bar = document.getElementById("talk"), head = document.getElementById("head");
    const lines = Array.from(document.querySelectorAll("#words li"));
    sound.addEventListener("timeupdate", function () {
      const at = sound.currentTime;
      if (head && sound.duration) {
        const x = String(Math.round(at / sound.duration * 10000) / 10);
        head.setAttribute("x1", x);
        head.setAttribute("x2", x);
      }
      let now = null;
      for (const line of lines) if (Number(line.dataset.from) <= at + 0.05) now = line;
      for (const line of lines) line.classList.toggle("now", line === now);
    });
    if (bar) bar.addEventListener("click", function (event) {
      const box = bar.getBoundingClientRect();
      if (sound.duration) seek((event.clientX - box.left) / box.width * sound.duration, true);
    });
  }

  // ---- keys ---------------------------------------------------------------------------------------
  const VALUES = { 1: "yes", 2: "no", 3: "na" };
  const open = function (item) { return !item.disabled && !item.querySelector("input[type=radio]:checked"); };

  function isTyping(element) {
    if (element.matches("textarea, select")) return true;
    return element.matches("input") && !element.matches("[type=radio], [type=checkbox]");
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    if (event.key === " " && sound) {
      if (event.target.closest("button, summary, a, audio, input[type=checkbox]")) return;
      event.preventDefault();
      return sound.paused ? sound.play().catch(function () {}) : sound.pause();
    }
    if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && sound) {
      if (event.target.closest("audio, input")) return;
      event.preventDefault();
      return seek(sound.currentTime + (event.key === "ArrowLeft" ? -5 : 5), false);
    }
    if (form && VALUES[event.key]) {
      const items = Array.from(form.querySelectorAll("fieldset[data-item]"));
      const here = event.target.closest("fieldset[data-item]") || items.find(open);
      const choice = here && here.querySelector("input[value=" + VALUES[event.key] + "]");
      if (!choice || choice.disabled) return;
      event.preventDefault();
      choice.checked = true;
      choice.dispatchEvent(new Event("change", { bubbles: true }));
      const next = items.slice(items.indexOf(here) + 1).find(open) || items.find(open) || form.querySelector("#hand_in");
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    }
  });

  // ---- drafts -------------------------------------------------------------------------------------
  if (!form) return;
  const told = document.getElementById("kept");
  let changed = false, busy = null, blocked = false;

  function count() {
    const items = form.querySelectorAll("fieldset[data-item]:not([disabled])");
    const done = Array.from(items).filter(function (item) { return !open(item); }).length;
    const counter = document.getElementById("count");
    if (counter) counter.textContent = done + " / " + items.length;
  }

  function tell(key, more) {
    told.textContent = told.dataset[key].replace("{time}", new Date().toLocaleTimeString()) + (more ? " " + more : "");
    told.className = key === "good" ? "quiet" : "flash problem";
  }

  async function token() {
    const page = await fetch(location.pathname, { redirect: "error" });
    if (!page.ok) throw new Error("signed out");
    const parsed = new DOMParser().parseFromString(await page.text(), "text/html");
    return parsed.querySelector("input[name=csrf_token]").value;
  }

  // true when it is kept, or when the server has something to say about it that the page itself will show
  async function keep() {
    const post = function () {
      return fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error" });
    };
    changed = false;
    try {
      let answer = await post();
      if (answer.status === 400) {  // signed in again in another window: its forms have another hidden word
        form.elements.csrf_token.value = await token();
        answer = await post();
      }
      if (answer.status === 401) { changed = true; tell("out"); return false; }
      if (answer.status === 409 || answer.status === 422) {
        blocked = answer.status === 409;
        tell("problem", (await answer.json()).problem);
        return true;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      form.elements.version.value = (await answer.json()).version;
      tell("good");
      return true;
    } catch (error) {
      changed = true;
      tell("bad");
      return false;
    }
  }

  function kept() {
    if (!busy) busy = keep().finally(function () { busy = null; });
    return busy;
  }

  form.addEventListener("input", function () { changed = true; count(); });
  form.addEventListener("change", function () { changed = true; count(); });
  setInterval(function () { if (changed && !blocked) kept(); }, EVERY_MS);
  form.addEventListener("submit", async function (event) {
    event.preventDefault();
    const by = event.submitter;
    if (busy) await busy;
    if (!blocked && !(await kept())) return told.scrollIntoView({ block: "center" });
    const deed = document.createElement("input");
    deed.type = "hidden";
    deed.name = by && by.name ? by.name : "deed";
    deed.value = by && by.value ? by.value : "save";
    form.append(deed);
    changed = false;
    form.submit();
  });
  window.addEventListener("beforeunload", function (event) { if (changed) event.preventDefault(); });
  count();
})();
