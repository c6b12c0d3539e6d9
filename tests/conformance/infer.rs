//! A draft from twenty official UBL documents of the order side: all twenty are valid under it, mutated ones are not; and
//! examples made from official schemas.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use crossdock::{
    document::{Document, QName},
    format::{ReadOptions, Syntax, read},
    schema::{Inference, Model, TypeId, Validator, XsdSet, example},
};

use super::corpora;

const WANTED: usize = 20;
/// Kinds of documents of the order side, those closest to an order first.
const KINDS: [&str; 5] = ["Order", "order-test-good", "RequestForQuotation", "Quotation", "DespatchAdvice"];
const MORE: [&str; 3] = ["ReceiptAdvice", "PurchaseReceipt", "CatalogueRequest"];

fn document(text: &str) -> Document {
    read(text.as_bytes(), Syntax::Xml, &ReadOptions::default()).expect("well-formed").document
}

/// Official documents, each once.
fn orders() -> Option<Vec<String>> {
    let folder = corpora::unpacked("ubl")?;
    let mut files: Vec<_> = ["ubl/2.4/xml", "ubl/2.4/val", "ubl/2.1/xml"]
        .iter()
        .flat_map(|below| corpora::files(&folder.path().join(below)))
        .filter(|path| path.extension().is_some_and(|ending| ending == "xml"))
        .collect();
    let rank = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.strip_prefix("UBL-").unwrap_or(&name).to_owned();
        KINDS.iter().chain(&MORE).position(|kind| name.starts_with(kind))
    };
    files.retain(|path| rank(path).is_some());
    files.sort_by_key(|path| rank(path));
    let mut known = BTreeSet::new();
    let texts = files.iter().map(|path| fs::read_to_string(path).expect("UTF-8"));
    Some(texts.filter(|text| known.insert(text.clone())).take(WANTED).collect())
}

/// One mutation of five kinds, the document's own number the seed; `None` where it cannot be made.
fn mutated(text: &str, kind: usize) -> Option<String> {
    let element = |name: &str| {
        let from = text.find(&format!("<cbc:{name}"))?;
        let end = format!("</cbc:{name}>");
        let to = from + text[from..].find(&end)? + end.len();
        Some((from, to))
    };
    let (from, to) = element("ID")?;
    let made = match kind {
        0 => format!("{}{}", &text[..from], &text[to..]),
        1 => format!("{}<cbc:Mood>good</cbc:Mood>{}", &text[..from], &text[from..]),
        2 => {
            let (from, to) = element("IssueDate")?;
            let (open, close) = (from + text[from..to].find('>')? + 1, from + text[from..to].rfind('<')?);
            format!("{}tomorrow{}", &text[..open], &text[close..])
        }
        3 => {
            let (date_from, date_to) = element("IssueDate")?;
            if date_from < to {
                return None;
            }
            let (before, between) = (&text[..from], &text[to..date_from]);
            format!("{before}{}{between}{}{}", &text[date_from..date_to], &text[from..to], &text[date_to..])
        }
        _ => format!("{} mood=\"good\"{}", &text[..from + "<cbc:ID".len()], &text[from + "<cbc:ID".len()..]),
    };
    (made != text).then_some(made)
}

#[test]
fn a_draft_from_twenty_orders_takes_them_and_refuses_mutated_ones() {
    let Some(orders) = orders() else { return };
    assert_eq!(orders.len(), WANTED, "official documents of the order side");
    let mut inference = Inference::default();
    orders.iter().for_each(|text| inference.add(&document(text)));
    let files = inference.draft("draft.xsd");
    let bytes = |name: &str| files.iter().find(|file| file.name == name).map(|file| file.text.clone().into_bytes());
    let set = XsdSet::load(&bytes, &["draft.xsd"], &[]).expect("the draft is a valid schema");
    for (number, text) in orders.iter().enumerate() {
        let found = set.validate(&document(text), 3);
        assert!(found.is_empty(), "document {number}: {found:?}");
    }
    let (mut refused, mut taken) = (0, Vec::new());
    for (number, text) in orders.iter().enumerate() {
        let kinds = (0..5).map(|step| (number + step) % 5);
        let (kind, text) = kinds.filter_map(|kind| Some((kind, mutated(text, kind)?))).next().expect("a mutation");
        if set.validate(&document(&text), 1).is_empty() {
            taken.push((number, kind));
        } else {
            refused += 1;
        }
    }
    let roots = inference.roots().count();
    println!(
        "a draft from {WANTED} documents of {roots} roots: {} files, {} elements, all {WANTED} valid, {refused} of \
         {WANTED} mutated ones refused; taken: {taken:?}",
        files.len(),
        inference.len()
    );
    assert!(refused >= 15, "{refused}: {taken:?}");
}

/// The example of a root by its official schema: how many nodes, and it is valid.
fn valid_example(schemas: &Path, entry: &str, root: &str, all: bool) {
    let read = |name: &str| fs::read(schemas.join(name)).ok();
    let model = Arc::new(Model::load(&read, entry).expect("the official schema"));
    let set = XsdSet::load(&read, &[entry], &[]).expect("the official schema is valid");
    let roots = &model.get(TypeId::DOCUMENT).children;
    let name: QName = roots.iter().find(|known| &*known.name.local == root).expect("the root").name.clone();
    let document = example(&model, &name, all).expect("an example");
    let found = set.validate(&document, 5);
    println!("{root}, all: {all}: {} nodes, {} violations", document.len(), found.len());
    assert!(found.is_empty(), "{root}, all: {all}: {found:#?}");
}

#[test]
fn examples_of_ubl_documents_are_valid_with_and_without_all() {
    let Some(folder) = corpora::unpacked("ubl") else { return };
    for root in ["Order", "Invoice"] {
        for all in [false, true] {
            let entry = format!("maindoc/UBL-{root}-2.4.xsd");
            valid_example(&folder.path().join("ubl/2.4/xsdrt"), &entry, root, all);
        }
    }
}

/// With all there are unions and parts of dates, which a model does not tell from text.
#[test]
fn examples_of_oagis_and_star_documents_are_valid_with_what_must_be_there() {
    let (Some(oagis), Some(star)) = (corpora::unpacked("oagis-10.1"), corpora::unpacked("star-5.5.4")) else { return };
    let oagis = oagis.path().join("oagis/10_1/10_1/Model");
    valid_example(&oagis, "BODs/ProcessPurchaseOrder.xsd", "ProcessPurchaseOrder", false);
    let star = star.path().join("star/star5-5.5.4/Rev5.5.4");
    valid_example(&star, "BODs/Standalone/ProcessRepairOrder.xsd", "ProcessRepairOrder", false);
}
