"use strict";
// The page of virtual phones. It only uses the control API, and the browser's own Basic auth for it.

const KIND = {
  ringing: "响铃 ringing", answered: "接通 answered", heard: "听到 heard", said: "说 said", pressed: "按键 pressed",
  beep: "提示音 beep", bridged: "已连通 joined", unbridged: "已断开 parted", hangup: "挂断 hung up",
  "recording-started": "开始录音 recording", "recording-stopped": "录音结束 recorded", error: "错误 error",
  enqueued: "进入等候 waits in a queue", dequeued: "离开等候 left the queue", amd: "应答识别 answered by", chaos: "故障 fault",
};
const STATUS = {
  queued: "排队 queued", initiated: "拨号 dialling", ringing: "响铃 ringing", "in-progress": "通话中 in progress",
  completed: "结束 completed", busy: "忙 busy", "no-answer": "无人接 no answer", failed: "失败 failed", canceled: "取消 canceled",
};
const byId = (id) => document.getElementById(id);
// Absolute, because an address opened as http://account:token@host/ may not be the base of a fetch.
const CONTROL = location.origin + "/control";
const calls = new Map();
let last = 0;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function ask(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  if (body) options.body = JSON.stringify(body);
  const answer = await fetch(CONTROL + path, options);
  const data = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(data.message);
  return data;
}

async function attempt(action) {
  byId("notice").textContent = "";
  try {
    await action();
  } catch (error) {
    byId("notice").textContent = error.message;
  }
}

const phonePath = () => "/phones/" + encodeURIComponent(byId("phone").value);
const act = (what) => attempt(() => ask("POST", phonePath() + "/keys", what));

function choices(select, entries) {
  const listed = JSON.stringify(entries);
  if (select.dataset.listed === listed) return; // an open list must not be torn from under the hand
  select.dataset.listed = listed;
  const chosen = select.value;
  select.replaceChildren(...entries.map(([value, label]) => {
    const option = element("option", label);
    option.value = value;
    return option;
  }));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

async function refreshPhones() {
  const phones = await ask("GET", "/phones");
  choices(byId("phone"), phones.map((p) => [p.number, `${p.number} ${p.name} ${p.behaviours[0] === "person" ? "☎" : "(脚本 script)"}`]));
  const numbers = await ask("GET", "/numbers");
  choices(byId("hospital"), numbers.map((n) => [n.phone_number, n.phone_number]));
}

function showCall(event) {
  const box = element("div", "", "call");
  const head = element("header");
  head.append(element("span", `${event.from} → ${event.to}`), element("span", "", "state"));
  box.append(head, element("ol"));
  byId("none").hidden = true;
  byId("calls").prepend(box);
  calls.set(event.leg, box);
}

function show(event) {
  if (event.kind === "call-created") return showCall(event);
  const box = calls.get(event.leg);
  if (!box) return;
  if (event.kind === "status") {
    box.querySelector(".state").textContent = STATUS[event.status] || event.status;
    return;
  }
  if (!KIND[event.kind]) return;
  if (event.kind === "enqueued") box.querySelector(".state").textContent = "等候中 waiting";
  if (event.kind === "dequeued") box.querySelector(".state").textContent = STATUS["in-progress"];
  const line = element("li", "", event.kind === "error" ? "error" : "");
  line.append(element("b", KIND[event.kind]), " " + (event.text || ""));
  const list = box.querySelector("ol");
  list.append(line);
  list.scrollTop = list.scrollHeight;
  if (event.kind === "recording-stopped") addRecording(box, event.recording);
}

function addRecording(box, sid) {
  const button = element("button", "播放录音 Play recording");
  button.onclick = () => {
    const audio = element("audio");
    audio.controls = true;
    audio.src = CONTROL + "/recordings/" + sid + ".wav";
    button.replaceWith(audio);
    audio.play().catch((error) => { byId("notice").textContent = error.message; });
  };
  box.append(button);
}

async function follow() {
  for (;;) {
    try {
      const news = await ask("GET", `/events?after=${last}&timeout=20`);
      last = news.last;
      news.events.forEach(show);
    } catch (error) {
      byId("notice").textContent = "运营商未响应 The carrier does not answer";
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

async function tick() {
  const clock = await ask("GET", "/clock");
  byId("clock").textContent = `${clock.now.slice(0, 19).replace("T", " ")} UTC ×${clock.speed}`;
}

for (const key of "123456789*0#") {
  const button = element("button", key);
  button.type = "button";
  button.onclick = () => act({ press: key });
  byId("keypad").append(button);
}
byId("call").onclick = () => attempt(() => ask("POST", phonePath() + "/call", { to: byId("hospital").value }));
byId("answer").onclick = () => act({ answer: true });
byId("hangup").onclick = () => act({ hangup: true });
byId("say").onsubmit = (event) => {
  event.preventDefault();
  act({ say: byId("words").value, language: event.submitter.value });
  byId("words").value = "";
};
byId("add").onsubmit = (event) => {
  event.preventDefault();
  const number = event.target.number.value;
  attempt(async () => {
    await ask("PUT", "/phones/" + encodeURIComponent(number), { behaviour: "person" });
    await refreshPhones();
    byId("phone").value = number;
    event.target.reset();
  });
};
attempt(refreshPhones);
attempt(tick);
setInterval(() => Promise.all([refreshPhones(), tick()]).catch(() => { byId("clock").textContent = ""; }), 1000);
follow();
