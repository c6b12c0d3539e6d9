//! Orders as a CRM writes them, and the code table of their items; made by a fixed rule, all different.

use std::fmt::Write as _;

const PARTS: [(&str, &str); 8] = [
    ("前制动片", "GB5763 M-12"),
    ("机油滤清器", "W712/95"),
    ("空气滤芯", "C 30 005"),
    ("火花塞", "PLKR7A-10 铱金"),
    ("雨刮片", "24\" + 18\" 无骨"),
    ("蓄电池", "12V 70Ah AGM"),
    ("冷却液 & 防冻剂", "-35℃ 4L"),
    ("减震器总成", "左前 φ50"),
];
const UNITS: [&str; 4] = ["个", "件", "套", "桶"];
const CITIES: [&str; 4] =
    ["杭州市滨江区江南大道", "苏州市工业园区星湖街", "成都市高新区天府大道", "武汉市洪山区光谷大道"];
const FIRMS: [&str; 4] =
    ["明远汽车贸易有限公司", "恒通汽车销售服务有限公司", "瑞丰供应链管理有限公司", "龑达汽车科技有限公司"];

/// The rows of the table `item`.
pub fn codes() -> Vec<(String, String)> {
    let suffix = |row: usize| char::from(b"ABCDEFGH"[row % 8]);
    (0..200)
        .map(|row| (format!("M{:05}", 10_001 + 7 * row), format!("SKU-{:04}-{}", 5_000 + 13 * row, suffix(row))))
        .collect()
}

/// One order of ten lines.
pub fn order(number: usize) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let n = number;
    let _ = write!(
        text,
        "<SalesOrder xmlns=\"urn:example:crm:order:1\" version=\"1.0\">\n  <Header>\n    <DocNo>SO2026{:06}</DocNo>\n    \
         <DocDate>2026{:02}{:02}</DocDate>\n    <OrgCode>100</OrgCode>\n    <CustomerCode>C{:06}</CustomerCode>\n    \
         <CustomerName>{}</CustomerName>\n    <Contact>王小{}</Contact>\n    <Phone>1380000{:04}</Phone>\n    \
         <ShipTo>{}{}号{}栋</ShipTo>\n    <Currency>CNY</Currency>\n    <ExchangeRate>1.000000</ExchangeRate>\n    \
         <Department>销售一部</Department>\n    <SalesPerson>李敏</SalesPerson>\n    <PayTerm>月结{}天</PayTerm>\n    \
         <Remark>请按合同要求送货 &amp; 附\"质检报告\"</Remark>\n  </Header>\n  <Lines>\n",
        n,
        n % 12 + 1,
        n % 28 + 1,
        n * 37 % 99_999,
        FIRMS[n % 4],
        ["明", "芳", "强", "丽"][n % 4],
        n * 7 % 10_000,
        CITIES[n % 4],
        n % 900 + 1,
        n % 20 + 1,
        [30, 60, 90][n % 3],
    );
    for line in 1..=10 {
        let k = n * 10 + line;
        let (part, spec) = PARTS[k % 8];
        let code = 10_001 + 7 * (k * 13 % 200);
        let (quantity, price) = (k * 77 % 50_000 + 1, k * 7_919 % 20_000_000 + 1);
        let _ = write!(
            text,
            "    <Line no=\"{line}\">\n      <MaterialCode>M{code:05}</MaterialCode>\n      \
             <MaterialName>{}</MaterialName>\n      <Spec>{spec}</Spec>\n      <Unit>{}</Unit>\n      \
             <Qty>{}.{:02}</Qty>\n      <Price>{}.{:04}</Price>\n      <TaxRate>{}</TaxRate>\n      \
             <DeliveryDate>2026{:02}{:02}</DeliveryDate>\n      <Warehouse>WH{:02}</Warehouse>\n      \
             <Memo>第{}批交货，随货附合格证</Memo>\n      <Project>P{:04}</Project>\n    </Line>\n",
            part.replace('&', "&amp;"),
            UNITS[k % 4],
            quantity / 100,
            quantity % 100,
            price / 10_000,
            price % 10_000,
            ["0.13", "0.09", "0.06"][k % 3],
            k % 12 + 1,
            k % 28 + 1,
            k % 9 + 1,
            k % 4 + 1,
            k % 9_999 + 1,
        );
    }
    text.push_str("  </Lines>\n</SalesOrder>\n");
    text
}
