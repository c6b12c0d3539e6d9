//! The job as a program written for it alone, on quick-xml: what a mapping could at best come near to.

use std::collections::HashMap;

use quick_xml::{Reader, events::Event};

#[derive(Default)]
struct Line {
    number: String,
    code: String,
    name: String,
    spec: String,
    unit: String,
    quantity: String,
    price: String,
    tax: String,
    due: String,
    warehouse: String,
    memo: String,
}

#[derive(Default)]
struct Order {
    number: String,
    date: String,
    customer: String,
    name: String,
    contact: String,
    phone: String,
    address: String,
    currency: String,
    term: String,
    remark: String,
    lines: Vec<Line>,
}

fn parse(document: &[u8]) -> Order {
    let mut reader = Reader::from_reader(document);
    let (mut order, mut text) = (Order::default(), String::new());
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Eof => return order,
            Event::Start(start) => {
                if start.name().as_ref() == "Line" {
                    let number = start.try_get_attribute("no").expect("well-formed").expect("a number");
                    order.lines.push(Line { number: number.value.to_string(), ..Line::default() });
                }
                text.clear();
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(reference) => text.push(match &*reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => reference.resolve_char_ref().ok().flatten().expect("a character"),
            }),
            Event::End(end) => {
                let value = std::mem::take(&mut text);
                let end = end.name();
                match (order.lines.last_mut(), end.as_ref()) {
                    (Some(line), "MaterialCode") => line.code = value,
                    (Some(line), "MaterialName") => line.name = value,
                    (Some(line), "Spec") => line.spec = value,
                    (Some(line), "Unit") => line.unit = value,
                    (Some(line), "Qty") => line.quantity = value,
                    (Some(line), "Price") => line.price = value,
                    (Some(line), "TaxRate") => line.tax = value,
                    (Some(line), "DeliveryDate") => line.due = value,
                    (Some(line), "Warehouse") => line.warehouse = value,
                    (Some(line), "Memo") => line.memo = value,
                    (None, "DocNo") => order.number = value,
                    (None, "DocDate") => order.date = value,
                    (None, "CustomerCode") => order.customer = value,
                    (None, "CustomerName") => order.name = value,
                    (None, "Contact") => order.contact = value,
                    (None, "Phone") => order.phone = value,
                    (None, "ShipTo") => order.address = value,
                    (None, "Currency") => order.currency = value,
                    (None, "PayTerm") => order.term = value,
                    (None, "Remark") => order.remark = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// The number times ten to the power of `places`.
fn scaled(text: &str, places: usize) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digit = |place: usize| fraction.as_bytes().get(place).map_or(0, |digit| i128::from(digit - b'0'));
    (0..places).fold(whole.parse().expect("a number"), |value, place| value * 10 + digit(place))
}

/// In hundredths, rounded half up.
fn amount(line: &Line) -> i128 {
    (scaled(&line.quantity, 2) * scaled(&line.price, 4) + 5_000) / 10_000
}

fn money(out: &mut String, hundredths: i128) {
    out.push_str(itoa::Buffer::new().format(hundredths / 100));
    out.push('.');
    out.push(char::from(b'0' + (hundredths / 10 % 10) as u8));
    out.push(char::from(b'0' + (hundredths % 10) as u8));
}

/// An amount as JSON writes it: no zeros at the end.
fn plain_money(out: &mut String, hundredths: i128) {
    money(out, hundredths);
    let kept = out.trim_end_matches('0').trim_end_matches('.').len();
    out.truncate(kept);
}

fn day(out: &mut String, text: &str) {
    for (at, part) in [&text[..4], &text[4..6], &text[6..]].into_iter().enumerate() {
        if at > 0 {
            out.push('-');
        }
        out.push_str(part);
    }
}

fn escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}

fn element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    escaped(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

pub fn to_xml(document: &[u8], codes: &HashMap<String, String>) -> String {
    let order = parse(document);
    let mut out = String::with_capacity(document.len());
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PurchaseOrder xmlns=\"urn:example:parts:order:1\">");
    element(&mut out, "OrderNumber", &order.number);
    out.push_str("<OrderDate>");
    day(&mut out, &order.date);
    out.push_str("</OrderDate><Buyer>");
    element(&mut out, "Code", &order.customer);
    element(&mut out, "Name", &order.name);
    out.push_str("</Buyer><DeliverTo>");
    element(&mut out, "Contact", &order.contact);
    element(&mut out, "Phone", &order.phone);
    element(&mut out, "Address", &order.address);
    out.push_str("</DeliverTo>");
    element(&mut out, "Currency", &order.currency);
    element(&mut out, "PaymentTerm", &order.term);
    element(&mut out, "Remark", &order.remark);
    out.push_str("<Items>");
    let mut net = 0;
    for line in &order.lines {
        let amount = amount(line);
        net += amount;
        out.push_str("<Item seq=\"");
        escaped(&mut out, &line.number);
        out.push_str("\" sku=\"");
        escaped(&mut out, &codes[&line.code]);
        out.push_str("\"><Description>");
        escaped(&mut out, &line.name);
        out.push(' ');
        escaped(&mut out, &line.spec);
        out.push_str("</Description><Quantity uom=\"");
        escaped(&mut out, &line.unit);
        out.push_str("\">");
        escaped(&mut out, &line.quantity);
        out.push_str("</Quantity>");
        element(&mut out, "UnitPrice", &line.price);
        out.push_str("<Amount>");
        money(&mut out, amount);
        out.push_str("</Amount>");
        element(&mut out, "TaxRate", &line.tax);
        out.push_str("<DueDate>");
        day(&mut out, &line.due);
        out.push_str("</DueDate>");
        element(&mut out, "Warehouse", &line.warehouse);
        element(&mut out, "Note", &line.memo);
        out.push_str("</Item>");
    }
    out.push_str("</Items><Totals lines=\"");
    out.push_str(itoa::Buffer::new().format(order.lines.len()));
    out.push_str("\"><Net>");
    money(&mut out, net);
    out.push_str("</Net></Totals></PurchaseOrder>\n");
    out
}

/// `"key":"text"`
fn member(out: &mut String, key: &str, text: &str) {
    out.push('"');
    out.push_str(key);
    out.push_str("\":");
    string(out, text);
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}

pub fn to_json(document: &[u8], codes: &HashMap<String, String>) -> String {
    let order = parse(document);
    let mut out = String::with_capacity(document.len());
    out.push('{');
    member(&mut out, "orderNumber", &order.number);
    out.push_str(",\"orderDate\":\"");
    day(&mut out, &order.date);
    out.push_str("\",\"buyer\":{");
    member(&mut out, "code", &order.customer);
    out.push(',');
    member(&mut out, "name", &order.name);
    out.push_str("},\"deliverTo\":{");
    member(&mut out, "contact", &order.contact);
    out.push(',');
    member(&mut out, "phone", &order.phone);
    out.push(',');
    member(&mut out, "address", &order.address);
    out.push_str("},");
    member(&mut out, "currency", &order.currency);
    out.push(',');
    member(&mut out, "paymentTerm", &order.term);
    out.push(',');
    member(&mut out, "remark", &order.remark);
    out.push_str(",\"items\":[");
    let mut net = 0;
    for (at, line) in order.lines.iter().enumerate() {
        let amount = amount(line);
        net += amount;
        out.push_str(if at > 0 { ",{\"seq\":" } else { "{\"seq\":" });
        out.push_str(&line.number);
        out.push(',');
        member(&mut out, "sku", &codes[&line.code]);
        out.push_str(",\"description\":");
        string(&mut out, &format!("{} {}", line.name, line.spec));
        out.push(',');
        member(&mut out, "uom", &line.unit);
        out.push_str(",\"quantity\":");
        out.push_str(&line.quantity);
        out.push_str(",\"unitPrice\":");
        out.push_str(&line.price);
        out.push_str(",\"amount\":");
        plain_money(&mut out, amount);
        out.push_str(",\"taxRate\":");
        out.push_str(&line.tax);
        out.push_str(",\"dueDate\":\"");
        day(&mut out, &line.due);
        out.push_str("\",");
        member(&mut out, "warehouse", &line.warehouse);
        out.push(',');
        member(&mut out, "note", &line.memo);
        out.push('}');
    }
    out.push_str("],\"totals\":{\"lines\":");
    out.push_str(itoa::Buffer::new().format(order.lines.len()));
    out.push_str(",\"net\":");
    plain_money(&mut out, net);
    out.push_str("}}");
    out
}
