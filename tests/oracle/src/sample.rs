//! Documents to ask: orders with what partners put into them, good and bad.

use fastrand::Rng;

/// The namespace of the elements with prefix `x`.
pub const EXTENSION: &str = "urn:x";

/// An order of some lines; no blanks between tags, which the hub's reader drops.
pub fn order(random: &mut Rng) -> String {
    let mut text = format!(
        "<order id=\"O{}\" date=\"{}\" xmlns:x=\"{EXTENSION}\">",
        random.u8(1..30),
        pick(random, &["2024-02-29", "2023-12-31", "2024-01-01Z", "1999-07-15"])
    );
    if random.bool() {
        text.push_str("<!--made by hand-->");
    }
    let vip = pick(random, &["", " vip=\"true\"", " vip=\"0\"", " vip=\"\""]);
    let name = pick(random, &["Zhang San", " Ada  Lovelace ", "", "Ünal &amp; Co"]);
    text.push_str(&format!("<customer{vip}><name>{name}</name>"));
    if random.bool() {
        text.push_str("<city/>");
    }
    text.push_str("</customer>");
    for at in 0..random.usize(0..6) {
        line(random, &mut text, at + 1);
    }
    if random.bool() {
        text.push_str("<?print two copies?>");
    }
    if random.bool() {
        text.push_str("<x:ext x:mode=\"a\"><x:flag>true</x:flag><flag>false</flag></x:ext>");
    }
    if random.bool() {
        text.push_str("<note>please <b>soon</b>, or <b>late</b>r</note>");
    }
    text.push_str("</order>");
    text
}

fn line(random: &mut Rng, text: &mut String, number: usize) {
    let unit = pick(random, &["", " unit=\"kg\"", " unit=\"PCE\""]);
    text.push_str(&format!("<line no=\"{number}\"{unit}><sku>{}</sku>", pick(random, &["A1", "B2", "a1", "C-3", ""])));
    if random.u8(0..5) > 0 {
        let quantity = pick(random, &["3", "0", "12", "-1", " 7 ", "1.5", "007"]);
        text.push_str(&format!("<qty>{quantity}</qty>"));
    }
    let price = pick(random, &["1.10", "10", "0.2", "99.99", "1e2", "n/a", ""]);
    text.push_str(&format!("<price cur=\"{}\">{price}</price>", pick(random, &["EUR", "CNY"])));
    if random.bool() {
        let due = pick(random, &["2024-03-01T10:00:00Z", "2024-03-01T10:00:00+02:00", "2024-12-24T23:59:59.5", "soon"]);
        text.push_str(&format!("<due>{due}</due>"));
    }
    text.push_str("</line>");
}

pub fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(0..from.len())]
}
