// The flow of the comparison: HTTP in, XML to JSON by a function node, RabbitMQ with confirm, then the answer.
// node node-red.js FOLDER AMQP_URL QUEUE CODES_JSON writes FOLDER/flows.json and FOLDER/settings.js.
const fs = require('fs');
const [folder, amqp, queue, codes, port] = process.argv.slice(2);
const map = `
const order = msg.payload.SalesOrder, head = order.Header[0], of = name => head[name][0];
const day = text => text.slice(0, 4) + '-' + text.slice(4, 6) + '-' + text.slice(6), codes = global.get('codes');
const whole = (text, places) => {
  const dot = text.indexOf('.');
  return dot < 0 ? BigInt(text) * 10n ** BigInt(places) : BigInt(text.slice(0, dot) + text.slice(dot + 1).padEnd(places, '0'));
};
const money = cents => { const text = cents.toString().padStart(3, '0'); return text.slice(0, -2) + '.' + text.slice(-2); };
let net = 0n;
const items = order.Lines[0].Line.map(line => {
  const amount = (whole(line.Qty[0], 2) * whole(line.Price[0], 4) + 5000n) / 10000n;
  net += amount;
  return { seq: +line.$.no, sku: codes[line.MaterialCode[0]], description: line.MaterialName[0] + ' ' + line.Spec[0], uom: line.Unit[0],
    quantity: +line.Qty[0], unitPrice: +line.Price[0], amount: +money(amount), taxRate: +line.TaxRate[0],
    dueDate: day(line.DeliveryDate[0]), warehouse: line.Warehouse[0], note: line.Memo[0] };
});
const made = { orderNumber: of('DocNo'), orderDate: day(of('DocDate')), buyer: { code: of('CustomerCode'), name: of('CustomerName') },
  deliverTo: { contact: of('Contact'), phone: of('Phone'), address: of('ShipTo') }, currency: of('Currency'), paymentTerm: of('PayTerm'),
  remark: of('Remark'), items, totals: { lines: items.length, net: +money(net) } };
context.get('channel').sendToQueue('${queue}', Buffer.from(JSON.stringify(made)), { persistent: true, contentType: 'application/json' }, error => {
  msg.payload = error ? 'nack' : 'ok'; msg.statusCode = error ? 500 : 202; node.send(msg); node.done();
});`;
const connect = `
const connection = await global.get('amqplib').connect('${amqp}', { noDelay: true });
const channel = await connection.createConfirmChannel();
await channel.assertQueue('${queue}', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
context.set('channel', channel);`;
const z = 'tab';
fs.writeFileSync(folder + '/flows.json', JSON.stringify([
  { id: z, type: 'tab', label: 'orders' },
  { id: 'in', type: 'http in', z, url: '/order', method: 'post', wires: [['xml']] },
  { id: 'xml', type: 'xml', z, property: 'payload', attr: '', chr: '', wires: [['map']] },
  { id: 'map', type: 'function', z, outputs: 1, initialize: connect, func: map, wires: [['out']] },
  { id: 'out', type: 'http response', z, statusCode: '', headers: {}, wires: [] },
]));
fs.writeFileSync(folder + '/settings.js', `module.exports = { uiHost: '127.0.0.1', uiPort: ${port}, flowFile: 'flows.json', userDir: ${JSON.stringify(folder)},
  apiMaxLength: '5mb', logging: { console: { level: 'warn' } }, functionExternalModules: false,
  functionGlobalContext: { amqplib: require(${JSON.stringify(folder + '/node_modules/amqplib')}), codes: require(${JSON.stringify(codes)}) } };`);
