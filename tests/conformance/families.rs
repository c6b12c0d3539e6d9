//! UBL, OAGIS and STAR: official instances against official schemas. Official samples are not always valid (OAGIS and
//! STAR leave a placeholder under a strict wildcard): then the repaired ones must be, and the published ones must be
//! refused for the placeholder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use crossdock::{
    document::Document,
    format::{ReadOptions, Syntax, read},
    schema::{ModelReader, Validator, Violation, XsdSet},
};

use super::corpora;

/// A family's schemas and instances, unpacked.
pub struct Family {
    /// What it is called.
    pub name: &'static str,
    /// Its instances that must be valid, by root element.
    pub instances: Vec<Instance>,
    schemas: PathBuf,
    entries: Vec<String>,
    _folder: Arc<tempfile::TempDir>,
}

/// One instance.
pub struct Instance {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its document.
    pub document: Document,
}

impl Instance {
    fn of(path: PathBuf, bytes: Vec<u8>) -> Option<Self> {
        let document = read(&bytes, Syntax::Xml, &ReadOptions::default()).ok()?.document;
        Some(Self { path, bytes, document })
    }

    /// The local name of its root element.
    pub fn root(&self) -> String {
        let root = self.document.root_element().and_then(|root| self.document.qname(root));
        root.map_or_else(String::new, |root| root.local.to_string())
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Family {
    fn new(
        name: &'static str,
        folder: &Arc<tempfile::TempDir>,
        schemas: &str,
        entry: impl Fn(&str) -> String,
        instances: Vec<Instance>,
    ) -> Self {
        let schemas = folder.path().join(schemas);
        let roots: BTreeSet<String> = instances.iter().map(|instance| entry(&instance.root())).collect();
        let entries: Vec<String> = roots.into_iter().filter(|entry| schemas.join(entry).is_file()).collect();
        Self { name, instances, schemas, entries, _folder: folder.clone() }
    }

    /// The schema file of a root element.
    pub fn schema_of(&self, root: &str) -> PathBuf {
        self.schemas.join(self.entries.iter().find(|entry| document_of(entry) == root).expect("its schema"))
    }

    /// Compiles the schemas its instances need; says how long that took. The sets by root element.
    pub fn load(&self) -> BTreeMap<String, Arc<XsdSet>> {
        let read = |name: &str| fs::read(self.schemas.join(name)).ok();
        let entries: Vec<&str> = self.entries.iter().map(String::as_str).collect();
        let began = Instant::now();
        let sets: Vec<Arc<XsdSet>> = XsdSet::load_all(&read, &entries, &[])
            .into_iter()
            .map(|set| set.expect("the official schemas are valid"))
            .collect();
        let cold = began.elapsed();
        let began = Instant::now();
        drop(XsdSet::load(&read, &entries, &[]));
        let mut distinct: Vec<_> = sets.iter().map(Arc::as_ptr).collect();
        distinct.dedup();
        println!(
            "{}: {} document types in {} sets in {} ms, all in one known already in {} ms",
            self.name,
            entries.len(),
            distinct.len(),
            cold.as_millis(),
            began.elapsed().as_millis()
        );
        self.entries.iter().map(|entry| document_of(entry).to_owned()).zip(sets).collect()
    }
}

/// The root element a schema file is about: `maindoc/UBL-Order-2.4.xsd`, `BODs/ProcessInvoice.xsd`.
fn document_of(entry: &str) -> &str {
    let file = entry.rsplit('/').next().unwrap_or_default().trim_end_matches(".xsd");
    file.split('-').nth(1).unwrap_or(file)
}

fn instances(folder: &Path, below: &str) -> Vec<Instance> {
    let files =
        corpora::files(&folder.join(below)).into_iter().filter(|path| path.extension().is_some_and(|e| e == "xml"));
    files.filter_map(|path| Instance::of(path.clone(), fs::read(path).expect("readable"))).collect()
}

/// The placeholder in published samples, which a strict wildcard refuses.
const PLACEHOLDER: &str = "AnyElement";

fn without_placeholder(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    while let Some(at) = text.find(PLACEHOLDER).and_then(|at| text[..at].rfind('<')) {
        let end = text[at..].find('>').map_or(text.len(), |end| at + end + 1);
        text.replace_range(at..end, "");
    }
    text.into_bytes()
}

/// The families with the instances that must be valid; empty without the corpora.
pub fn families() -> Vec<Family> {
    let (Some(ubl), Some(oagis), Some(star)) =
        (corpora::unpacked("ubl"), corpora::unpacked("oagis-10.1"), corpora::unpacked("star-5.5.4"))
    else {
        return Vec::new();
    };
    let (ubl, oagis, star) = (Arc::new(ubl), Arc::new(oagis), Arc::new(star));
    let mut families = Vec::new();
    for (name, version, schemas) in [("UBL 2.1", "2.1", "ubl/2.1/xsdrt"), ("UBL 2.4", "2.4", "ubl/2.4/xsdrt")] {
        let mut found = instances(ubl.path(), &format!("ubl/{version}/xml"));
        if version == "2.4" {
            found
                .extend(instances(ubl.path(), "ubl/2.4/val").into_iter().filter(|i| i.name() == "order-test-good.xml"));
        }
        let is_document = |instance: &Instance| instance.root() != "Signature";
        let found = found.into_iter().filter(is_document).collect();
        families.push(Family::new(name, &ubl, schemas, |root| format!("maindoc/UBL-{root}-{version}.xsd"), found));
    }
    let mut found = instances(oagis.path(), "oagis/derived-valid");
    for instance in instances(oagis.path(), "oagis/10_1/10_1/Instances") {
        found.extend(Instance::of(instance.path, without_placeholder(&instance.bytes)));
    }
    families.push(oagis_family(&oagis, found));
    let mut found = instances(star.path(), "star/derived-valid");
    found.extend(instances(star.path(), "star/authored"));
    families.push(star_family(&star, found));
    families
}

fn oagis_family(folder: &Arc<tempfile::TempDir>, instances: Vec<Instance>) -> Family {
    let entry = |root: &str| match root {
        "ConfirmBOD" => "Platform/2_1/BODs/ConfirmBOD.xsd".to_owned(),
        _ => format!("BODs/{root}.xsd"),
    };
    Family::new("OAGIS 10.1", folder, "oagis/10_1/10_1/Model", entry, instances)
}

fn star_family(folder: &Arc<tempfile::TempDir>, instances: Vec<Instance>) -> Family {
    let entry = |root: &str| format!("BODs/Developer/{root}.xsd");
    Family::new("STAR 5.5.4", folder, "star/star5-5.5.4/Rev5.5.4", entry, instances)
}

#[test]
fn official_instances_are_valid() {
    let mut wrong = Vec::new();
    for family in families() {
        let sets = family.load();
        let began = Instant::now();
        for instance in &family.instances {
            let found = sets[&instance.root()].validate(&instance.document, 5);
            if !found.is_empty() {
                wrong.push(format!("{} {}: {}", family.name, instance.name(), told(&found)));
            }
        }
        println!("{}: {} instances judged in {} ms", family.name, family.instances.len(), began.elapsed().as_millis());
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

fn told(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n    ")
}

#[test]
fn published_samples_are_refused_for_their_placeholder() {
    let (Some(oagis), Some(star)) = (corpora::unpacked("oagis-10.1"), corpora::unpacked("star-5.5.4")) else { return };
    let (oagis, star) = (Arc::new(oagis), Arc::new(star));
    let published = [
        oagis_family(&oagis, instances(oagis.path(), "oagis/10_1/10_1/Instances")),
        star_family(&star, instances(star.path(), "star/star5-5.5.4/Rev5.5.4/BODExamples")),
    ];
    for family in published {
        let name = family.name;
        let sets = family.load();
        let (mut refused, mut unknown) = (0, 0);
        for instance in &family.instances {
            let found = sets[&instance.root()].validate(&instance.document, 1000);
            assert!(!found.is_empty(), "{name} {} is valid", instance.name());
            let path = |violation: &Violation| violation.place.path.clone().unwrap_or_default();
            if found.iter().any(|violation| path(violation).contains(PLACEHOLDER)) {
                refused += 1;
            } else {
                unknown += 1;
                println!("  {}: {}", instance.name(), told(&found[..found.len().min(2)]));
            }
        }
        println!("{name}: {refused} published samples refused for the placeholder, {unknown} for something else");
        assert!(refused > 30 && unknown <= 1, "{name}: {refused}, {unknown}");
    }
}

#[test]
fn the_bad_ubl_orders_are_refused_where_they_are_wrong() {
    let Some(folder) = corpora::unpacked("ubl") else { return };
    let (folder, val) = (Arc::new(folder), "ubl/2.4/val");
    let entry = |root: &str| format!("maindoc/UBL-{root}-2.4.xsd");
    let read_file = |name: &str| fs::read(folder.path().join(val).join(name)).expect("the order");
    let orders = instances(folder.path(), val).into_iter().filter(|order| order.root() == "Order").collect();
    let family = Family::new("UBL 2.4 orders", &folder, "ubl/2.4/xsdrt", entry, orders);
    let sets = family.load();
    for order in &family.instances {
        let found = sets["Order"].validate(&order.document, 10);
        match order.name().as_str() {
            "order-test-good.xml" => assert!(found.is_empty(), "{}", told(&found)),
            // What a schema cannot say: the code is wrong.
            "order-test-bad-code.xml" => assert!(found.is_empty(), "{}", told(&found)),
            "order-test-bad-model.xml" => {
                assert_eq!((found.len(), found[0].place.line), (1, 50), "{}", told(&found));
                assert!(found[0].expected.as_ref().is_some_and(|names| names.contains("`ChannelCode`")));
            }
            other => panic!("an order nobody knows: {other}"),
        }
    }
    let broken = read(&read_file("order-test-bad-syntax.xml"), Syntax::Xml, &ReadOptions::default());
    assert_eq!(broken.expect_err("not well-formed").place.line, 50);
}

#[test]
fn models_of_all_families_can_be_read() {
    let (Some(ubl), Some(oagis), Some(star)) =
        (corpora::unpacked("ubl"), corpora::unpacked("oagis-10.1"), corpora::unpacked("star-5.5.4"))
    else {
        return;
    };
    for (name, folder, below) in [
        ("UBL 2.1", ubl.path().join("ubl/2.1/xsdrt"), &["maindoc"][..]),
        ("UBL 2.4", ubl.path().join("ubl/2.4/xsdrt"), &["maindoc"]),
        ("OAGIS 10.1", oagis.path().join("oagis/10_1/10_1/Model"), &["BODs", "Platform/2_1/BODs"]),
        ("STAR 5.5.4", star.path().join("star/star5-5.5.4/Rev5.5.4"), &["BODs/Developer"]),
    ] {
        let read = |name: &str| fs::read(folder.join(name)).ok();
        let reader = ModelReader::new(&read);
        let began = Instant::now();
        let (mut models, mut types) = (0, 0);
        // They share most files: every fifth shows what all of them would.
        for path in below.iter().flat_map(|below| corpora::files(&folder.join(below))).step_by(5) {
            let entry = path.strip_prefix(&folder).expect("below").to_string_lossy().into_owned();
            if entry.ends_with(".xsd") {
                let model = reader.load(&entry).unwrap_or_else(|problems| panic!("{name} {entry}:\n{problems}"));
                assert!(!model.is_empty(), "{name} {entry} has no root element");
                (models, types) = (models + 1, types + model.len());
            }
        }
        println!("{name}: {models} models of {types} types in {} ms", began.elapsed().as_millis());
        assert!(models > 10, "{name}: {models}");
    }
}
