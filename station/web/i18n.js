const en = {
  batch: "Batch", operator: "Operator", station: "Station", noBatchShort: "none open",
  start: "Start", cancel: "Cancel the pass", closeBatch: "Close the batch",
  keys: "Keys", keySpace: "Space", keyPlan: "Choose a batch", dismiss: "Dismiss",
  toOther: "中文",
  noInterlocks: "Scanning WITHOUT interlocks 联锁已停用",
  noInterlocksWhat: "Nothing checks the lid or the paper. Look yourself before every start.",
  stationSays: "The station answered:", noAnswer: "no answer from the station program",

  layNext: "Lay this page next", feedNext: "Feed from this page", onGlass: "Being scanned now", pageBefore: "Page", pageAfter: "of {expected}",
  pageAfterOpen: "", nothingNext: "No page is expected next",
  nothingNextWhat: "Ask your supervisor before you lay another sheet.",
  newVolume: "New volume", lastOfVolume: "Last page of the volume", beyond: "More than planned: check the folios",
  allDone: "Every volume is done", unknownNext: "The next page is not known",

  chooseTitle: "Choose your batch", noPlans: "No batch is waiting for you.",
  noPlansWhat: "Ask your supervisor to give you one. It appears here by itself.",
  planVolumes: "{n} volumes", planVolumes1: "1 volume", planPages: "{kept} of {expected} pages", planFresh: "{expected} pages, new",
  volumeDone: "complete",

  connecting: "Connecting…", connectingWhat: "Waiting for the station program.",
  lost: "No connection to the station program",
  lostWhat: "Do not lay or lift a page by what is shown here: it may be old. This page tries again by itself. If it lasts longer than a minute, call your supervisor.",
  lostFor: "No news for {age}.",
  ready: "Ready: press Start", readyFlatbed: "The page is in the corner and the lid is closed.",
  readyLook: "Look first: page in the top-left corner, lid closed?", readyFeeder: "Look first: pages straight in the feeder, no staples or clips?",
  refused: "Start was refused", hold: "Not yet", openRefused: "The batch could not be opened",
  fault: "Stopped", faultPage: "Stopped at page {page}", faultFoot: "When that is done, press Start again.",
  alsoHolds: "Also, before the next start:",
  choose: "No batch is open", chooseWhat: "Pick one from the list, or press its number.", chooseNoneWhat: "There is nothing to scan at the moment.",
  complete: "Batch finished", completeWhat: "All {pages} pages are kept.", completeSheet: "Tracking sheet: {sheet}",
  completeNoSheet: "The tracking sheet is not written yet.", completeFoot: "Take the volumes off the desk, then close the batch.",
  arming: "Getting ready", armingWhat: "Keep the lid closed.",
  scanning: "Scanning", scanningWhat: "Keep the lid closed until the scan has ended.",
  certifying: "Checking the pass", certifyingWhat: "Keep the lid closed a moment longer.",
  saving: "Saving the page", savingWhat: "The image is being written and checked.",
  feederWhat: "Do not pull or add paper.",
  workingCancel: "Cancelling…",

  lastPage: "Last page scanned", kept: "Kept", noPage: "No page scanned yet.", noPageWhat: "Each page appears here as soon as it is kept.",
  previewLost: "The picture cannot be shown. The page itself is kept.", previewAlt: "Page {number} of {volume}",
  straight: "Lay straight", cw: "Turned {deg} clockwise", ccw: "Turned {deg} counter-clockwise", skewNone: "Skew not measured",
  straightened: "straightened", straightenedBy: "straightened by {deg}", notStraightened: "left as it lay", sure: "{pct} sure",
  "flag.blank": "Blank page", "flag.skew-uncertain": "Skew uncertain", "flag.askew": "Laid askew",
  "flag.edges-uncertain": "Something beside the sheet", "flag.larger-than-a4": "Larger than A4", "flag.same-sheet": "The same sheet as page {same}?",
  "flag.streaks": "Streaks: clean the scanner's glass",
  "flag.ink-at-risk": "Ink would have been lost: delivered as scanned",
  "flag.second-sheet": "Another sheet on the glass",
  "flag.off-the-glass": "The sheet leaves the glass",
  "flag.off-corner": "Not in the corner",
  "flag.light-leak": "Light beside the lid",
  "flag.holes": "Punch holes",
  "flag.unsharp": "Not sharp",
  "flag.dark": "Too dark",
  "flag.faint": "Faint",
  "flag.clipped": "Tones clipped",
  "flag.colour-cast": "Colour cast",
  "flag.seal-without-colour": "A seal: scan in colour",
  "flag.red-header-without-colour": "A red header: scan in colour",
  "flag.low-resolution": "Resolution too low",
  "flag.dirty-glass": "Dirt on the glass: clean it",
  "sealed.certified": "Lid stayed closed", "sealedWhat.certified": "certified for the whole pass",
  "sealed.feeder": "Came through the feeder", "sealedWhat.feeder": "no lid to watch",
  "sealed.watched_by_station": "Lid stayed closed", "sealedWhat.watched_by_station": "watched by this machine's own pins",
  "sealed.overridden": "A sensor was overridden", "sealedWhat.overridden": "two persons answer for it",
  "sealed.none": "Not certified", "sealedWhat.none": "scanned without interlocks",
  took: "took {s} s",

  "sensor.lid": "lid switch", "sensor.corner": "corner sensors", "sensor.board": "whole board",
  overridden: "The {sensor} is overridden", overrideLeft: "{age} left, {pages} pages so far", overrideEnd: "End it",
  overrideKey: "Override a broken sensor", overrideTitle: "Override a broken sensor",
  overrideWhat: "Two persons answer for it. Every page made meanwhile says so, and so do the supervisor's screens.",
  overrideSensor: "Sensor", overrideReason: "Reason", overrideMinutes: "Minutes (1 to 60)", overrideFirst: "First person",
  overrideSecond: "Second person", pin: "PIN", overrideGo: "Override", dismissDialog: "Leave it",

  lid: "Lid", "lid.closed": "Closed", "lid.open": "Open", "lid.broken": "Sensor broken", "lid.unknown": "Not known",
  corner: "Corner", "corner.in_place": "In place", "corner.away": "Not in corner", "corner.unknown": "Not known",
  board: "Desk board", "board.present": "Working", "board.absent": "Not plugged in", "board.silent": "Not answering",
  "board.wrong_version": "Wrong version", "board.not_used": "Not used", scannerGuards: "scanner's own sensors", pinsGuard: "this machine's pins",
  scanner: "Scanner", noScanner: "None", "source.flatbed": "Flatbed", "source.adf": "Feeder", "source.duplex": "Feeder, both sides",
  "mode.colour": "colour", "mode.grey": "grey", "mode.lineart": "lineart",
  room: "Room", roomNone: "No sensor", power: "Power", powerNone: "No UPS set up",
  "power.online": "Mains", "power.on_battery": "On battery", "power.low_battery": "Battery low", "power.forced_shutdown": "Shutting down", "power.stale": "No fresh news",
  "power.unreachable": "UPS not reachable", charge: "battery {pct} %",
  network: "Supervisor", networkNone: "Works alone", networkUp: "Connected", networkDown: "Not connected", networkWaiting: "{n} to send", networkSafe: "{n} kept here", networkClear: "all sent",
  old: "OLD", ago: "{age} ago", sec: "{n} s", min: "{n} min", hour: "{n} h",
};

const zh = {
  batch: "批次", operator: "扫描员", station: "工位", noBatchShort: "未打开",
  start: "开始扫描", cancel: "取消本次扫描", closeBatch: "关闭批次",
  keys: "按键", keySpace: "空格", keyPlan: "选择批次", dismiss: "知道了",
  toOther: "English",
  noInterlocks: "联锁已停用 Scanning WITHOUT interlocks",
  noInterlocksWhat: "没有任何装置检查盖板和纸张，每次开始前请自己看清楚。",
  stationSays: "工作站回复：", noAnswer: "工作站程序没有应答",

  layNext: "下一页请放", feedNext: "进纸从此页开始", onGlass: "正在扫描此页", pageBefore: "第", pageAfter: "页 / 共 {expected} 页",
  pageAfterOpen: "页", nothingNext: "没有待扫描的页",
  nothingNextWhat: "再放纸之前请先询问项目经理。",
  newVolume: "新的一卷", lastOfVolume: "本卷最后一页", beyond: "超出计划页数，请核对页码",
  allDone: "所有案卷已扫完", unknownNext: "下一页未知",

  chooseTitle: "请选择批次", noPlans: "目前没有分配给您的批次。",
  noPlansWhat: "请联系项目经理分配，分配后会自动出现在这里。",
  planVolumes: "{n} 卷", planVolumes1: "1 卷", planPages: "已扫 {kept} / {expected} 页", planFresh: "{expected} 页，未开始",
  volumeDone: "已完成",

  connecting: "正在连接…", connectingWhat: "等待工作站程序。",
  lost: "与工作站程序失去连接",
  lostWhat: "屏幕内容可能已过时，请不要据此放纸或取纸。页面会自动重试；超过一分钟请联系项目经理。",
  lostFor: "已有 {age}没有消息。",
  ready: "可以开始", readyFlatbed: "纸张已到位，盖板已合上。",
  readyLook: "请先看清：纸张靠左上角，盖板合上。", readyFeeder: "请先看清：进纸器中纸张整齐，无订书钉和夹子。",
  refused: "未能开始", hold: "请先处理", openRefused: "批次未能打开",
  fault: "已停止", faultPage: "第 {page} 页已停止", faultFoot: "处理好后，重新按“开始扫描”。",
  alsoHolds: "下次开始前还需：",
  choose: "尚未打开批次", chooseWhat: "从列表中选择，或按对应的数字键。", chooseNoneWhat: "目前没有要扫描的内容。",
  complete: "本批次已扫完", completeWhat: "共 {pages} 页，全部已保存。", completeSheet: "跟踪表：{sheet}",
  completeNoSheet: "跟踪表尚未生成。", completeFoot: "请将案卷移出稿台，然后关闭批次。",
  arming: "准备扫描", armingWhat: "请勿开盖。",
  scanning: "正在扫描", scanningWhat: "扫描结束之前请勿开盖。",
  certifying: "正在核验", certifyingWhat: "请稍候，暂勿开盖。",
  saving: "正在保存", savingWhat: "正在写入并检查图像。",
  feederWhat: "请勿拉动或添加纸张。",
  workingCancel: "正在取消…",

  lastPage: "刚扫描的一页", kept: "已保存", noPage: "还没有扫描任何页。", noPageWhat: "每一页保存后会立即显示在这里。",
  previewLost: "无法显示图像，但该页已保存。", previewAlt: "{volume} 第 {number} 页",
  straight: "放置端正", cw: "顺时针歪斜 {deg}", ccw: "逆时针歪斜 {deg}", skewNone: "未测出歪斜",
  straightened: "已纠正", straightenedBy: "已纠正 {deg}", notStraightened: "未纠正，保持原样", sure: "把握 {pct}",
  "flag.blank": "空白页", "flag.skew-uncertain": "歪斜角度不确定", "flag.askew": "放置歪斜",
  "flag.edges-uncertain": "纸张旁有其他物体", "flag.larger-than-a4": "大于 A4", "flag.same-sheet": "与第 {same} 页是同一张？",
  "flag.streaks": "有竖条纹：请清洁扫描玻璃",
  "flag.ink-at-risk": "校正后有内容缺失，已保留原图",
  "flag.second-sheet": "稿台上有另一张纸",
  "flag.off-the-glass": "纸张超出扫描区",
  "flag.off-corner": "纸张未靠左上角",
  "flag.light-leak": "盖板漏光",
  "flag.holes": "有装订孔",
  "flag.unsharp": "图像不清晰",
  "flag.dark": "图像过暗",
  "flag.faint": "字迹过淡",
  "flag.clipped": "亮部或暗部溢出",
  "flag.colour-cast": "偏色",
  "flag.seal-without-colour": "有印章，应彩色扫描",
  "flag.red-header-without-colour": "有红头，应彩色扫描",
  "flag.low-resolution": "分辨率低于规定",
  "flag.dirty-glass": "稿台玻璃有污点，请清洁",
  "sealed.certified": "全程未开盖", "sealedWhat.certified": "联锁已核验",
  "sealed.feeder": "进纸器扫描", "sealedWhat.feeder": "无需检查盖板",
  "sealed.watched_by_station": "全程未开盖", "sealedWhat.watched_by_station": "由本机引脚监视",
  "sealed.overridden": "传感器已停用", "sealedWhat.overridden": "由两人共同负责",
  "sealed.none": "未经核验", "sealedWhat.none": "扫描时联锁停用",
  took: "用时 {s} 秒",

  "sensor.lid": "盖板开关", "sensor.corner": "左上角传感器", "sensor.board": "整块控制板",
  overridden: "{sensor}已停用", overrideLeft: "剩余 {age}，已扫 {pages} 页", overrideEnd: "恢复使用",
  overrideKey: "停用故障传感器", overrideTitle: "停用故障传感器",
  overrideWhat: "须由两人共同负责。此间每页都有记录，管理端也会显示。",
  overrideSensor: "传感器", overrideReason: "原因", overrideMinutes: "分钟（1–60）", overrideFirst: "第一人",
  overrideSecond: "第二人", pin: "PIN 码", overrideGo: "停用", dismissDialog: "返回",

  lid: "盖板", "lid.closed": "已合上", "lid.open": "打开", "lid.broken": "传感器损坏", "lid.unknown": "未知",
  corner: "左上角", "corner.in_place": "纸张到位", "corner.away": "纸张未到位", "corner.unknown": "未知",
  board: "控制板", "board.present": "正常", "board.absent": "未插上", "board.silent": "无应答",
  "board.wrong_version": "版本不符", "board.not_used": "未使用", scannerGuards: "用扫描仪自带传感器", pinsGuard: "本机引脚",
  scanner: "扫描仪", noScanner: "无", "source.flatbed": "平板", "source.adf": "进纸器", "source.duplex": "进纸器双面",
  "mode.colour": "彩色", "mode.grey": "灰度", "mode.lineart": "黑白",
  room: "温湿度", roomNone: "无传感器", power: "电源", powerNone: "未配置 UPS",
  "power.online": "市电", "power.on_battery": "电池供电", "power.low_battery": "电池电量低", "power.forced_shutdown": "正在关机", "power.stale": "无最新状态",
  "power.unreachable": "UPS 无法连接", charge: "电量 {pct} %",
  network: "管理端", networkNone: "单机工作", networkUp: "已连接", networkDown: "未连接", networkWaiting: "待上传 {n}", networkSafe: "本机暂存 {n}", networkClear: "全部已上传",
  old: "旧数据", ago: "{age}前", sec: "{n} 秒", min: "{n} 分钟", hour: "{n} 小时",
};

const tables = { en, zh };
const STORE = "platen.lang";

function firstLanguage() {
  try {
    const kept = localStorage.getItem(STORE);
    if (kept in tables) return kept;
  } catch { /* storage may be switched off on a locked-down desk */ }
  return (navigator.language || "zh").toLowerCase().startsWith("zh") ? "zh" : "en";
}

let lang = firstLanguage();

export const language = () => lang;

export function toggleLanguage() {
  lang = lang === "zh" ? "en" : "zh";
  try { localStorage.setItem(STORE, lang); } catch { /* as above */ }
}

export function has(key) { return key in tables[lang]; }

export function t(key, values = {}) {
  const text = tables[lang][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A text the station sent in both languages. */
export function pick(text) {
  if (typeof text === "string") return text;
  return text?.[lang] || text?.en || text?.zh || "";
}

export function translateStatic(root = document) {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  for (const el of root.querySelectorAll("[data-i18n]")) el.textContent = t(el.dataset.i18n);
  for (const el of root.querySelectorAll("[data-i18n-label]")) {
    el.placeholder = t(el.dataset.i18nLabel);
    el.setAttribute("aria-label", el.placeholder);
  }
}
