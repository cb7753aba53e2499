// Every string of the page, in both languages. A fault's English text comes from the station itself.

const STORE = 'platen.lang';

const STRINGS = {
  en: {
    title: 'Platen supervisor', skip: 'Skip to content', nav: 'Views', live: 'Live', rooms: 'Rooms', audit: 'Completeness',
    otherLang: '中文', otherLangLabel: '切换到中文（按 L 键）', site: 'Site {name}',
    stations: 'Stations', batches: 'Latest batches', alarms: 'Alarms', overview: 'Overview',
    seconds: '{n} s', minutes: '{n} min', hours: '{n} h', hoursMinutes: '{h} h {m} min', days: '{n} d', ago: '{d} ago',
    since: 'for {d}', old: 'old', oldFor: 'old · {d}', online: 'online', offline: 'offline',
    stationsOnline: 'Stations online', pagesToday: 'Pages today', pagesHour: 'Pages in the last hour',
    openAlarms: 'Alarms', partOld: '{n} of {m} stations out of date', allReport: 'all stations report',
    late: 'late', lateFor: 'late · {d}', catchingUp: 'catching up', arrivedLate: 'arrived {d} late',
    oneLate: '{n} station late', someLate: '{n} stations late',
    waitsFor: 'events wait at the station, the first for {d}',
    clockFast: 'the station’s clock is {d} fast', clockSlow: 'the station’s clock is {d} slow',
    today: 'Today', lastHour: 'Last hour', voided: 'Voided', waiting: 'Not yet sent',
    batch: 'Batch', operator: 'Operator', volumesDone: 'Volumes: {n} of {m} complete',
    opened: 'opened {time}', completed: 'complete', open: 'open', progressLabel: '{p} of {e} pages',
    missing: 'Pages missing: {list}', more: '{n} more', overrun: 'more pages than planned',
    noBatch: 'No open batch', noPage: 'No page yet', page: 'No. {n}',
    turned: 'straightened {a}°', notTurned: 'askew {a}°, not straightened',
    mode: { colour: 'colour', grey: 'grey', lineart: 'line art' },
    flag: { blank: 'blank page', 'skew-uncertain': 'skew uncertain', askew: 'askew',
      'edges-uncertain': 'something beside the sheet', 'larger-than-a4': 'larger than A4', 'same-sheet': 'same sheet again?',
      streaks: 'streaks: glass dirty',
      'ink-at-risk': 'ink at risk: as scanned',
      'second-sheet': 'another sheet on the glass',
      'off-the-glass': 'sheet leaves the glass',
      'off-corner': 'not in the corner',
      'light-leak': 'light beside the lid',
      holes: 'punch holes',
      unsharp: 'not sharp',
      dark: 'too dark',
      faint: 'faint',
      clipped: 'tones clipped',
      'colour-cast': 'colour cast',
      'seal-without-colour': 'a seal, scanned without colour',
      'red-header-without-colour': 'a red header, scanned in grey',
      'low-resolution': 'resolution too low',
      'dirty-glass': 'dirt on the glass',
    },
    interlock: { certified: 'interlocked', feeder: 'feeder sensors', watched_by_station: 'watched by the station itself', overridden: 'a sensor was overridden', none: 'scanned without interlocks' },
    noStations: 'No station has reported yet', noStationsHelp: 'Start “platen-station run” on a workstation with this broker:',
    noBatches: 'No batch yet', noBatchesHelp: 'A batch appears here as soon as a station opens one.',
    noAlarms: 'No alarms', noAlarmsHelp: 'Everything that reports is within its limits.',
    noAlarmsKnown: 'No alarms known', noAlarmsKnownHelp: 'Not everything reports at the moment: this list may be incomplete.',
    noRooms: 'No room has reported yet', noRoomsHelp: 'Connect a temperature and humidity sensor to a station; its room appears here with the first reading.',
    waitingData: 'Waiting for the first data …', waitingHelp: 'This takes up to five seconds.',
    lost: 'Live data stopped {d} ago', lostHelp: 'All values below are old. The page keeps trying to reconnect.',
    never: 'No connection to the supervisor', neverHelp: 'Check that “platen-supervisor” is running. The page keeps trying.',
    broker: 'The supervisor has no connection to the broker', brokerHelp: 'No station can be heard until it is back: {url}.', brokerSays: 'The reason: {why}.',
    broken: 'This page cannot show the data it received', brokenHelp: 'What is shown may be old. Reload the page; if it happens again, tell the administrator.',
    temperature: 'Temperature', humidity: 'Humidity', power: 'Power', limits: 'Limits {lo}–{hi} {unit}',
    state: { ok: 'within limits', high: 'too high', low: 'too low', old: 'old', none: 'no reading' },
    powerState: { online: 'Mains', on_battery: 'On battery', low_battery: 'Battery low', forced_shutdown: 'Shutting down', stale: 'UPS lost', unreachable: 'UPS does not answer', none: 'No UPS' },
    charge: 'charge {n} %', runtime: 'lasts {d}', noReading: 'no reading yet', reading: 'read {d} ago',
    lastDay: 'last 24 hours', range: '{lo} to {hi} {unit}', chartLabel: '{what} in the last 24 hours: {range}', noHistory: 'no readings in the last 24 hours',
    historyFailed: 'chart could not be updated', historyLoading: 'loading …',
    alarmNew: 'New alarm at {station}: {text}', footer: 'Platen supervisor {version} · broker {url}',
    connected: 'connected', disconnected: 'not connected', station: 'Station',
    auditWhy: 'Each station numbers its events 1, 2, 3 …, and each event names its predecessor: what is missing here was never received or was lost from the database.',
    auditLoading: 'Counting the stored events …', auditLoadingHelp: 'All of them are counted anew; this may take some seconds.',
    auditFailed: 'The count cannot be loaded', auditFailedHelp: 'It is tried again every 10 s.',
    auditNone: 'No event is stored yet', auditNoneHelp: 'A station appears here with its first event.',
    allHere: 'Every event of every station is here', sumMissing: 'Events missing: {n}',
    sumBroken: 'Streams whose chain is broken: {n}', sumDisagree: 'Streams whose numbers disagree: {n}',
    unheard: 'Not heard at the moment: {list}. Events that still wait there may not be counted here.',
    streamsOf: 'Event streams of {station}', epoch: 'Epoch', stored: 'Events stored', through: 'Complete up to', lastNumber: 'Last number', verdict: 'Verdict',
    currentEpoch: 'current', whole: 'complete', missingCount: '{n} missing', chainBroken: 'chain broken', disagree: 'numbers disagree',
    chainHelp: 'An event names another predecessor than the one that is stored. Compare with “platen-supervisor verify”.',
    disagreeHelp: 'Nothing is missing in between, but what was acknowledged and what is stored end at different numbers. Compare with “platen-supervisor verify”.',
    ranges: 'Missing numbers', otherEpoch: 'The station numbers its events in another epoch now; it can answer only if it still knows this one.',
    ask: 'ask again', askLabel: 'ask again for {range}', asking: 'asking …', asked: 'asked', askFailed: 'The supervisor did not answer.',
    moreMissing: '{n} more are missing', refused: 'Messages that were refused', refusedPart: 'The latest {n} of {m}.', time: 'Time', number: 'Number', reason: 'Reason',
    kind: { 'station-offline': 'Station offline', 'room-temperature': 'Temperature', 'room-humidity': 'Humidity', power: 'Power', fault: 'Fault',
      'clock-wrong': 'Clock', late: 'Reports late', gap: 'Events missing', database: 'Database' },
    kindAction: {
      'station-offline': 'check the station’s power and network', 'room-temperature': 'check the air conditioning and the doors of the room',
      'room-humidity': 'check the humidifier or dehumidifier of the room', power: 'save the work under way; check the mains and the UPS',
      'clock-wrong': 'set the station’s clock (NTP)', late: 'check the network between the station and the broker',
      gap: 'open Completeness and ask again; compare with platen-supervisor verify', database: 'look at the supervisor’s disk',
    },
  },
  'zh-CN': {
    title: 'Platen 数字化加工看板', skip: '跳到主要内容', nav: '视图', live: '实时', rooms: '环境', audit: '完整性',
    otherLang: 'English', otherLangLabel: 'Switch to English (key L)', site: '站点 {name}',
    stations: '扫描工位', batches: '最近批次', alarms: '报警', overview: '概览',
    seconds: '{n} 秒', minutes: '{n} 分钟', hours: '{n} 小时', hoursMinutes: '{h} 小时 {m} 分', days: '{n} 天', ago: '{d}前',
    since: '已持续 {d}', old: '已过期', oldFor: '已过期 · {d}', online: '在线', offline: '离线',
    stationsOnline: '在线工位', pagesToday: '今日页数', pagesHour: '近一小时页数',
    openAlarms: '报警', partOld: '{m} 个工位中 {n} 个数据已过期', allReport: '所有工位均在上报',
    late: '迟到', lateFor: '迟到 · {d}', catchingUp: '补传中', arrivedLate: '迟到 {d}',
    oneLate: '{n} 个工位数据迟到', someLate: '{n} 个工位数据迟到',
    waitsFor: '工位有事件待上报，最早的已等待 {d}',
    clockFast: '工位时钟快 {d}', clockSlow: '工位时钟慢 {d}',
    today: '今日', lastHour: '近一小时', voided: '作废', waiting: '待回传',
    batch: '批次', operator: '扫描员', volumesDone: '案卷：已完成 {n} / {m} 卷',
    opened: '{time} 开始', completed: '已完成', open: '进行中', progressLabel: '共 {e} 页，已扫 {p} 页',
    missing: '缺页：{list}', more: '另有 {n} 卷', overrun: '超出计划页数',
    noBatch: '当前无批次', noPage: '尚未扫描', page: '第 {n} 页',
    turned: '纠偏 {a}°', notTurned: '倾斜 {a}°，未纠偏',
    mode: { colour: '彩色', grey: '灰度', lineart: '黑白' },
    flag: { blank: '空白页', 'skew-uncertain': '倾斜角不确定', askew: '歪斜',
      'edges-uncertain': '纸张旁有其他物体', 'larger-than-a4': '大于 A4', 'same-sheet': '疑似重复扫描',
      streaks: '条纹：扫描玻璃有污',
      'ink-at-risk': '校正后有内容缺失，已保留原图',
      'second-sheet': '稿台上有另一张纸',
      'off-the-glass': '纸张超出扫描区',
      'off-corner': '纸张未靠左上角',
      'light-leak': '盖板漏光',
      holes: '有装订孔',
      unsharp: '图像不清晰',
      dark: '图像过暗',
      faint: '字迹过淡',
      clipped: '亮部或暗部溢出',
      'colour-cast': '偏色',
      'seal-without-colour': '有印章，应彩色扫描',
      'red-header-without-colour': '有红头，应彩色扫描',
      'low-resolution': '分辨率低于规定',
      'dirty-glass': '稿台玻璃有污点，请清洁',
    },
    interlock: { certified: '已联锁', feeder: '进纸器联锁', watched_by_station: '由工作站自行监视', overridden: '传感器被停用', none: '未经联锁' },
    noStations: '还没有工位上报', noStationsHelp: '请在工作站上运行 platen-station run，并连接此消息服务器：',
    noBatches: '还没有批次', noBatchesHelp: '工位开始一个批次后，会显示在这里。',
    noAlarms: '无报警', noAlarmsHelp: '所有上报的数据均在限值内。',
    noAlarmsKnown: '暂无已知报警', noAlarmsKnownHelp: '目前有数据未上报，此列表可能不完整。',
    noRooms: '还没有房间上报', noRoomsHelp: '请为工位接上温湿度传感器，收到首个读数后显示在这里。',
    waitingData: '正在等待首批数据……', waitingHelp: '最多需要五秒。',
    lost: '实时数据已中断 {d}', lostHelp: '以下所有数值均已过期，页面正在自动重连。',
    never: '无法连接监控服务', neverHelp: '请检查 platen-supervisor 是否在运行，页面会持续重试。',
    broker: '监控服务与消息服务器的连接已断开', brokerHelp: '恢复之前收不到任何工位的数据：{url}。', brokerSays: '原因：{why}。',
    broken: '页面无法显示收到的数据', brokenHelp: '所显示内容可能已过期。请刷新页面；如再次出现，请联系管理员。',
    temperature: '温度', humidity: '湿度', power: '电源', limits: '限值 {lo}–{hi} {unit}',
    state: { ok: '正常', high: '过高', low: '过低', old: '已过期', none: '无读数' },
    powerState: { online: '市电', on_battery: '电池供电', low_battery: '电池电量低', forced_shutdown: '正在关机', stale: 'UPS 失联', unreachable: 'UPS 无应答', none: '未接 UPS' },
    charge: '电量 {n} %', runtime: '可维持 {d}', noReading: '尚无读数', reading: '{d}前读取',
    lastDay: '近 24 小时', range: '{lo} 至 {hi} {unit}', chartLabel: '近 24 小时{what}：{range}', noHistory: '近 24 小时无读数',
    historyFailed: '曲线未能更新', historyLoading: '加载中……',
    alarmNew: '{station} 新报警：{text}', footer: 'Platen 监控服务 {version} · 消息服务器 {url}',
    connected: '已连接', disconnected: '未连接', station: '工位',
    auditWhy: '每个工位的事件从 1 起连续编号，且每条事件都指明其前一条：此处缺失的事件，要么从未收到，要么已从数据库中丢失。',
    auditLoading: '正在清点已入库的事件……', auditLoadingHelp: '全部事件将重新清点，可能需要几秒钟。',
    auditFailed: '无法获取清点结果', auditFailedHelp: '每 10 秒自动重试。',
    auditNone: '还没有事件入库', auditNoneHelp: '收到工位的首条事件后，显示在这里。',
    allHere: '所有工位的全部事件均已入库', sumMissing: '缺失事件：{n} 条',
    sumBroken: '编号链断裂：{n} 段', sumDisagree: '编号不一致：{n} 段',
    unheard: '目前收不到以下工位的数据：{list}。其尚未上报的事件可能未计入。',
    streamsOf: '{station} 的事件编号段', epoch: '编号段', stored: '已入库', through: '完整至', lastNumber: '最大编号', verdict: '结论',
    currentEpoch: '当前', whole: '完整', missingCount: '缺 {n} 条', chainBroken: '编号链断裂', disagree: '编号不一致',
    chainHelp: '有事件指明的前一条与库中的不符，请用 platen-supervisor verify 核对。',
    disagreeHelp: '中间没有缺失，但已确认的编号与已入库的编号终点不同，请用 platen-supervisor verify 核对。',
    ranges: '缺失编号', otherEpoch: '该工位已启用新的编号段；仅当其仍保留此编号段时才能补传。',
    ask: '重新索取', askLabel: '重新索取 {range}', asking: '正在索取……', asked: '已索取', askFailed: '监控服务无应答。',
    moreMissing: '另缺 {n} 条', refused: '被拒收的消息', refusedPart: '共 {m} 条，仅列出最近 {n} 条。', time: '时间', number: '编号', reason: '原因',
    kind: { 'station-offline': '工位离线', 'room-temperature': '温度', 'room-humidity': '湿度', power: '电源', fault: '故障',
      'clock-wrong': '时钟', late: '上报迟滞', gap: '事件缺失', database: '数据库' },
    kindAction: {
      'station-offline': '请检查该工位的电源和网络', 'room-temperature': '请检查房间的空调和门窗',
      'room-humidity': '请检查房间的加湿或除湿设备', power: '请保存当前工作，检查市电和 UPS',
      'clock-wrong': '请校准工位时钟（NTP）', late: '请检查工位与消息服务器之间的网络',
      gap: '请打开“完整性”重新索取，并用 platen-supervisor verify 核对', database: '请检查监控服务器的磁盘',
    },
    alarmText: {
      'station-offline': '工位离线，收不到数据', 'room-temperature': '温度超出限值', 'room-humidity': '湿度超出限值',
      power: '供电异常', fault: '工位故障', 'clock-wrong': '工位时钟不准', late: '工位有事件待上报',
      gap: '有事件未入库，已向工位重新索取', database: '数据库无法写入，数据未入库',
    },
  },
};

const AGAIN = '请重新扫描本页；如再次出现，请将扫描仪断电重启';
const CLOSE_LID = '请合上盖板，重新扫描本页';
const CORNER = '请将纸张贴齐左上角放好，再按开始';
const SETTING = '请选择扫描仪支持的设置';
const ONE_IS_BROKEN = '请重新开合盖板；如仍提示，其中一个传感器有故障';
const DISK = '请检查磁盘，恢复后系统将自动继续';
const BOARD = '请检查联锁板的电源和连线；如不恢复，请联系管理员';

/** Chinese text and action of the known faults. */
const FAULTS_ZH = {
  'cover-open': ['扫描仪盖板未合上', '请合上扫描仪盖板，再按开始'],
  'paper-jam': ['进纸器卡纸', '请打开进纸器取出卡纸，重新放好后按开始'],
  'double-feed': ['一次吸入了两张纸（重张）', '请取出重叠的纸张，逐张放回后按开始'],
  'feeder-empty': ['进纸器已空', '请在进纸器中放入后续纸张，再按开始'],
  'scanner-busy': ['扫描仪被其他程序占用', '请关闭占用扫描仪的其他程序，再按开始'],
  'no-such-scanner': ['找不到扫描仪', '请打开扫描仪电源并检查连线，再按开始'],
  'access-denied': ['当前用户无权使用扫描仪', '请联系管理员：用户须加入 scanner 组'],
  'scanner-io': ['扫描仪通信出错', AGAIN],
  'scanner-memory': ['扫描仪或其驱动内存不足', '请将扫描仪断电重启，再按开始'],
  unsupported: ['扫描仪不支持此操作', SETTING],
  'warming-up': ['灯管预热中', '请稍候，再按开始'],
  'transport-lock': ['扫描仪处于运输锁定状态', '请打开扫描仪的运输锁'],
  cancelled: ['扫描已取消', '请按开始重新扫描本页'],
  'setting-refused': ['扫描仪拒绝了所要求的设置', SETTING],
  'setting-mismatch': ['扫描仪采用的设置与要求不符', SETTING],
  'page-cut-short': ['页面图像不完整，数据中途结束', '请重新扫描本页'],
  'page-filled-up': ['页面下部为填充灰色，传输中断', '请重新扫描本页'],
  'scanner-stalled': ['扫描仪长时间无响应，驱动已被结束', AGAIN],
  'scanner-crashed': ['扫描仪驱动崩溃', AGAIN],
  'no-libsane': ['未安装扫描仪驱动库', '请联系管理员安装 libsane1'],
  'unknown-status': ['扫描仪返回未知状态', AGAIN],
  'lid-opened': ['扫描完成之前盖板被打开，本页作废', CLOSE_LID],
  'lid-open': ['盖板未合上', '请合上盖板，再按开始'],
  'lid-broken': ['盖板传感器故障', '请勿继续扫描，联系管理员检查盖板传感器'],
  'not-in-corner': ['纸张未放在左上角', CORNER],
  'corner-lost': ['扫描过程中纸张离开左上角，本页作废', CORNER],
  'board-absent': ['未找到联锁板', BOARD],
  'board-silent': ['联锁板无应答', BOARD],
  'board-version': ['联锁板固件版本不匹配', '请联系管理员更新联锁板固件'],
  'no-certificate': ['联锁板未给出本页的联锁证明，本页作废', '请重新扫描本页'],
  'certificate-gap': ['本页的联锁证明不连续，本页作废', '请重新扫描本页'],
  disk: ['磁盘空间不足或无法写入', '请联系管理员检查磁盘'],
  'disk-full': ['磁盘空间不足', '请清理磁盘空间，系统将自动继续'],
  'disk-read-only': ['磁盘为只读，无法写入', DISK],
  'disk-error': ['磁盘写入出错', DISK],
  'disk-silent': ['磁盘无响应', DISK],
  'disk-slow': ['磁盘写入缓慢', '请检查磁盘，扫描会变慢'],
  journal: ['日志无法写入', DISK],
  'outbox-full': ['待上报记录过多，缓存空间不足', '请检查与管理端的网络连接，恢复后系统将自动继续'],
  'page-processing': ['页面图像处理失败', '请重新扫描本页；如再次出现，请联系管理员'],
  'lid-disagrees': ['传感器板显示开盖，扫描仪显示合盖', ONE_IS_BROKEN],
  'cover-disagrees': ['扫描仪显示开盖，传感器板显示合盖', ONE_IS_BROKEN],
  'battery-low': ['UPS 电池即将耗尽，批次已关闭', '请等待市电恢复，批次将自动继续'],
  'ups-battery-worn': ['UPS 电池需更换', '请更换 UPS 电池'],
  'on-battery': ['市电中断，正由 UPS 电池供电', '请暂停扫描，等待市电恢复'],
  'lid-stuck': ['盖板开关长时间未动作', '请开合盖板；如仍提示，说明开关卡住'],
  'corner-stuck': ['左上角传感器一直显示有纸', '请取出纸张重新放置；如仍提示，请清洁传感器'],
  'corner-broken': ['左上角传感器短路', '请联系管理员检查传感器连线'],
  'corner-disagrees': ['左上角传感器与图像不一致', '请检查该页；清洁或校准左上角传感器'],
  'feeder-disagrees': ['扫描仪显示进纸器有纸，但没有进纸', '请将纸张推到底；如仍提示，请清洁进纸传感器和搓纸轮'],
  journal: ['工作站日志无法写入', '请检查磁盘，恢复后系统将自动继续'],
  'case-open': ['传感器板外壳被打开', '请查明原因并合上外壳'],
  'humidity-flat': ['湿度一小时未变化，传感器可能失效', '请检查温湿度传感器'],
  'board-restarted': ['传感器板曾重启', '可继续扫描；如再次出现请联系管理员'],
  'tracking-sheet': ['跟踪表无法写入', '请检查磁盘，然后按开始重试'],
};

let current = initial();

function initial() {
  let stored = null;
  try {
    stored = localStorage.getItem(STORE);
  } catch {
    // Storage may be forbidden on a locked-down wall screen.
  }
  if (stored in STRINGS) return stored;
  return (navigator.language ?? '').toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

export function lang() {
  return current;
}

export function toggleLang() {
  current = current === 'en' ? 'zh-CN' : 'en';
  try {
    localStorage.setItem(STORE, current);
  } catch {
    // The choice then lasts until the page is reloaded.
  }
}

/** The string of `key` with `{name}` filled in. */
export function t(key, params = {}) {
  const text = STRINGS[current][key];
  if (typeof text !== 'string') throw new Error(`no string ${key}`);
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in params ? String(params[name]) : all));
}

/** The string of one value of a closed set; a value we do not know is shown as it came. */
export function word(group, value) {
  return STRINGS[current][group]?.[value] ?? value;
}

/** The string of one value, null if there is none. */
export function wordOrNull(group, value) {
  return STRINGS[current][group]?.[value] ?? null;
}

/** Text and action of a fault in the language of the page. */
export function faultWords({ fault, text, action }) {
  const known = current === 'zh-CN' && Object.hasOwn(FAULTS_ZH, fault ?? '') ? FAULTS_ZH[fault] : null;
  return known ? { text: known[0], action: known[1] } : { text, action: action ?? null };
}
