//! Reads every content file, compiles it, and checks the whole.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
    sync::Arc,
};

use super::{
    Calendar, CalendarUse, Catalog, CodeLists, CodeTables, Environment, Library, Route, System, Target, Test, code,
    relay,
    route::{self, Draft, Named},
    schemas::Schemas,
    system::Reader,
};
use crate::{
    base::{Problem, Problems, Sha256},
    content::{self, Fields, Yaml},
    mapping::{Environment as MappingEnvironment, Fragment, Mapping, Source},
    profile::{DocumentType, Profile, Rules},
    schema::Model,
    xpath::{Formula, Scope, StaticType, Symbols},
};

pub(super) fn load(library: &Library, environment: &dyn Environment) -> (Catalog, Problems) {
    let problems = RefCell::new(Problems::default());
    unreadable(library, &problems);
    let (codes, lists) = (code_tables(library, &problems), code_lists(library, &problems));
    let mut catalog = Catalog { codes, lists, ..Catalog::default() };
    let models = RefCell::new(BTreeMap::new());
    profiles(library, &mut catalog, &models, &problems);
    catalog.models = models.into_inner().into_iter().filter_map(|(path, model)| Some((path, model?))).collect();
    catalog.schemas = Schemas::of(library, catalog.profiles.values(), &catalog.models);
    mappings(library, &mut catalog, &problems);
    calendars(library, &mut catalog, &problems);
    systems(library, environment, &mut catalog, &problems);
    routes(library, &mut catalog, &problems);
    catalog.hash = digest(library);
    let mut problems = problems.into_inner();
    problems.sort();
    (catalog, problems)
}

fn extend(problems: &RefCell<Problems>, more: impl IntoIterator<Item = Problem>) {
    problems.borrow_mut().0.extend(more);
}

/// Folders that are there and cannot be read: content that is away must not look like content that is empty.
fn unreadable(library: &Library, problems: &RefCell<Problems>) {
    let Some(folder) = library.folder() else { return };
    let below = ["systems", "routes", "calendars", "codes", "codelists", "mappings", "schemas"]
        .map(|name| (folder.join(name), true));
    for (path, may_miss) in below.into_iter().chain([(folder.to_path_buf(), false)]) {
        if let Err(error) = std::fs::read_dir(&path)
            && !(may_miss && error.kind() == std::io::ErrorKind::NotFound)
        {
            let place = crate::base::Place { file: Some(path.to_string_lossy().into()), ..Default::default() };
            extend(problems, [Problem::new(code::UNREADABLE, format!("cannot be read: {error}")).at(place)]);
        }
    }
}

/// The digest of every content file with its name.
fn digest(library: &Library) -> Sha256 {
    let folders = ["calendars", "codelists", "codes", "mappings", "routes", "schemas", "systems"];
    let files = folders.iter().flat_map(|folder| library.list(folder, ""));
    let named = files.filter_map(|path| Some((library.read(&path).ok()??, path)));
    let digests: Vec<[u8; 32]> = named.map(|(bytes, path)| Sha256::of_parts([path.as_bytes(), &*bytes]).0).collect();
    Sha256::of_parts(digests.iter().map(<[u8; 32]>::as_slice))
}

/// The file's name without folder and ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn yaml(library: &Library, path: &str, problems: &RefCell<Problems>) -> Option<(Yaml, Arc<str>)> {
    let file = library.shown(path);
    match library.text(path).and_then(|text| content::parse(&text, &file)) {
        Ok(node) => Some((node, file)),
        Err(problem) => {
            extend(problems, [problem]);
            None
        }
    }
}

fn code_lists(library: &Library, problems: &RefCell<Problems>) -> CodeLists {
    let mut lists = CodeLists::default();
    for path in library.list("codelists", ".csv") {
        match library.read(&path) {
            Ok(Some(bytes)) => lists.add(stem(&path), &library.shown(&path), &bytes, &mut problems.borrow_mut()),
            Ok(None) => (),
            Err(problem) => extend(problems, [problem]),
        }
    }
    lists
}

fn code_tables(library: &Library, problems: &RefCell<Problems>) -> CodeTables {
    let mut tables = CodeTables::default();
    for path in library.list("codes", ".csv") {
        match library.read(&path) {
            Ok(Some(bytes)) => {
                tables.add(stem(&path), &library.shown(&path), &bytes, &mut problems.borrow_mut());
            }
            Ok(None) => (),
            Err(problem) => extend(problems, [problem]),
        }
    }
    tables
}

/// What a document type's model is kept under: its XML Schema, else its JSON Schema with the namespace its names get.
pub(super) fn model_key(of: &DocumentType) -> Option<String> {
    let from_json = || Some(format!("{} {}", of.json_schema.as_ref()?, of.namespace));
    of.schema.clone().or_else(from_json)
}

type Models = RefCell<BTreeMap<String, Option<Arc<Model>>>>;

fn profiles(library: &Library, catalog: &mut Catalog, models: &Models, problems: &RefCell<Problems>) {
    let read = |path: &str| library.read(&format!("schemas/{path}")).ok().flatten().map(std::borrow::Cow::into_owned);
    let model = |of: &DocumentType| -> Option<Arc<Model>> {
        let key = model_key(of)?;
        if let Some(known) = models.borrow().get(&key) {
            return known.clone();
        }
        let loaded = match of.model(&read)? {
            Ok(model) => Some(Arc::new(model)),
            Err(more) => {
                extend(problems, more.0);
                None
            }
        };
        models.borrow_mut().insert(key, loaded.clone());
        loaded
    };
    for path in library.list("mappings", "/profile.yaml") {
        let file = library.shown(&path);
        let compiled =
            library.text(&path).map_err(Problems::from).and_then(|text| Profile::compile(&text, &file, &model));
        match compiled {
            Ok(profile) => {
                let name = profile.name().to_owned();
                if catalog.profiles.insert(name.clone(), Arc::new(profile)).is_some() {
                    let problem = Problem::new(code::NAME, format!("a profile `{name}` is there already"));
                    extend(problems, [problem.at(crate::base::Place::in_file(&file, 1, 1))]);
                }
            }
            Err(more) => extend(problems, more.0),
        }
    }
    for (name, profile) in &catalog.profiles {
        let path = format!("mappings/{name}/rules.yaml");
        let Ok(Some(_)) = library.read(&path) else { continue };
        let file = library.shown(&path);
        let compiled = library.text(&path).map_err(Problems::from);
        match compiled.and_then(|text| Rules::compile(&text, &file, profile, &model)) {
            Ok(rules) => drop(catalog.rules.insert(name.clone(), Arc::new(rules))),
            Err(more) => extend(problems, more.0),
        }
    }
}

/// The shared fragments of each profile: `mappings/<profile>/fragments/<name>.yaml`.
fn fragments(library: &Library, problems: &RefCell<Problems>) -> BTreeMap<String, Vec<Fragment>> {
    let mut found: BTreeMap<String, Vec<Fragment>> = BTreeMap::new();
    for path in library.list("mappings", ".yaml") {
        let ["mappings", profile, "fragments", _] = path.split('/').collect::<Vec<_>>()[..] else { continue };
        let text = library.text(&path).map_err(Problems::from);
        match text.and_then(|text| Fragment::parse(stem(&path), &text, &library.shown(&path))) {
            Ok(fragment) => found.entry(profile.to_owned()).or_default().push(fragment),
            Err(more) => extend(problems, more.0),
        }
    }
    found
}

fn mappings(library: &Library, catalog: &mut Catalog, problems: &RefCell<Problems>) {
    let tables = catalog.codes.names();
    let fragments = fragments(library, problems);
    for path in library.list("mappings", ".yaml") {
        let name = path.trim_start_matches("mappings/").trim_end_matches(".yaml").to_owned();
        if matches!(stem(&path), "profile" | "simulator" | "rules") || path.contains("/fragments/") {
            continue;
        }
        let file = library.shown(&path);
        // A code table belongs to an installation: only mappings that a route of this one uses need them.
        let compiled = library.text(&path).map_err(Problems::from).and_then(|text| {
            let ends = Mapping::ends(&text, &file)?;
            let source = catalog.model(&ends.from).cloned();
            let targets: Vec<(String, Arc<Model>)> =
                ends.to.iter().filter_map(|to| Some((to.clone(), catalog.model(to)?.clone()))).collect();
            for end in std::iter::once(&ends.from).chain(&ends.to) {
                if catalog.profile_of(end).is_none() {
                    let known: Vec<String> = types_of(catalog);
                    let problem = Problem::new(code::UNKNOWN_TYPE, format!("no profile speaks `{end}`"))
                        .at(crate::base::Place::in_file(&file, 1, 1))
                        .did_you_mean(end, known.iter().map(String::as_str));
                    extend(problems, [problem]);
                }
            }
            let environment = MappingEnvironment {
                source: source.as_deref(),
                target: None,
                targets: &targets,
                code_tables: used(library, &name).then_some(tables.as_slice()),
                fragments: name.split('/').next().and_then(|profile| fragments.get(profile)).map_or(&[], Vec::as_slice),
            };
            Mapping::compile(&text, &file, &environment)
        });
        match compiled {
            Ok(mapping) => {
                extend(problems, mapping.warnings().iter().cloned());
                catalog.mappings.insert(name, Arc::new(mapping));
            }
            Err(more) => extend(problems, more.0),
        }
    }
}

/// Whether a route of this installation names the mapping.
fn used(library: &Library, mapping: &str) -> bool {
    library.list("routes", ".yaml").iter().any(|path| library.text(path).is_ok_and(|text| text.contains(mapping)))
}

fn types_of(catalog: &Catalog) -> Vec<String> {
    catalog
        .profiles
        .values()
        .flat_map(|profile| profile.document_types().map(|known| known.name.clone()).collect::<Vec<_>>())
        .collect()
}

fn systems(library: &Library, environment: &dyn Environment, catalog: &mut Catalog, problems: &RefCell<Problems>) {
    let folder = library.folder().unwrap_or(Path::new("."));
    let reader = Reader { environment, folder, problems };
    for path in library.list("systems", ".yaml") {
        let Some((node, file)) = yaml(library, &path, problems) else { continue };
        let mut system = reader.system(&node, &file, stem(&path));
        system.calendar = node.get("calendar").and_then(|node| calendar_use(catalog, node, &file, problems));
        match catalog.profiles.get(&system.profile) {
            Some(profile) => {
                let given = system.settings.keys().map(String::as_str);
                for problem in profile.check_settings(given) {
                    let at = system.setting_places.iter().find(|(name, _)| problem.text.contains(&format!("`{name}`")));
                    let place = at.map_or_else(|| system.place.clone(), |(_, place)| place.clone());
                    extend(problems, [Problem { code: code::SETTING, ..problem }.at(place)]);
                }
            }
            None if system.profile.is_empty() => (),
            None => {
                let names = catalog.profiles.keys().map(String::as_str);
                let value = node.get("profile").unwrap_or(&node);
                let text = format!("there is no profile `{}`", system.profile);
                let problem = Problem::new(code::UNKNOWN_PROFILE, text).at(value.place(&file));
                extend(problems, [problem.did_you_mean(&system.profile, names)]);
            }
        }
        match catalog.systems.entry(system.id.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(Arc::new(system))),
            Entry::Occupied(_) => {
                let text = format!("a system `{}` is there already", system.id);
                extend(problems, [Problem::new(code::NAME, text).at(system.place.clone())]);
            }
        }
    }
}

fn calendars(library: &Library, catalog: &mut Catalog, problems: &RefCell<Problems>) {
    for path in library.list("calendars", ".yaml") {
        let Some((node, file)) = yaml(library, &path, problems) else { continue };
        let calendar = Calendar::read(&node, &file, stem(&path), problems);
        let name = calendar.name().to_owned();
        if catalog.calendars.insert(name.clone(), Arc::new(calendar)).is_some() {
            let problem = Problem::new(code::NAME, format!("a calendar `{name}` is there already"));
            extend(problems, [problem.at(node.place(&file))]);
        }
    }
}

/// `calendar: finance`, or `{use: finance, posting-date: {TYPE: =…}}`.
fn calendar_use(catalog: &Catalog, node: &Yaml, file: &Arc<str>, problems: &RefCell<Problems>) -> Option<CalendarUse> {
    let (named, posting_dates) = match node.text() {
        Some(_) => (node, BTreeMap::new()),
        None => {
            let fields = Fields::new(node, file, problems);
            let named = fields.required("use");
            let mut posting_dates = BTreeMap::new();
            for (of, value) in fields.entries("posting-date") {
                if catalog.profile_of(&of.text).is_none() {
                    let known = types_of(catalog);
                    let problem = Problem::new(code::UNKNOWN_TYPE, format!("no profile speaks `{}`", of.text));
                    let problem = problem.at(of.place(file));
                    extend(problems, [problem.did_you_mean(&of.text, known.iter().map(String::as_str))]);
                }
                posting_dates.extend(Some(of.text.clone()).zip(formula(catalog, &of.text, value, file, problems)));
            }
            fields.finish();
            (named?, posting_dates)
        }
    };
    let name = named.text().unwrap_or_default().to_owned();
    if catalog.calendar(&name).is_none() {
        let problem = Problem::new(code::UNKNOWN_CALENDAR, format!("there is no calendar `{name}`"));
        let problem = problem.at(named.place(file)).hint("calendars are files in calendars/");
        extend(problems, [problem.did_you_mean(&name, catalog.calendars.keys().map(String::as_str))]);
    }
    Some(CalendarUse { name, posting_dates })
}

fn routes(library: &Library, catalog: &mut Catalog, problems: &RefCell<Problems>) {
    let mut files = Vec::new();
    for path in library.list("routes", ".yaml") {
        if let Some((node, file)) = yaml(library, &path, problems) {
            files.push((node, file, stem(&path).to_owned()));
        }
    }
    for (node, file, stem) in &files {
        let draft = route::draft(node, file, stem, problems);
        if catalog.routes.iter().any(|known| known.id == draft.id) {
            let text = format!("a route `{}` is there already", draft.id);
            extend(problems, [Problem::new(code::NAME, text).at(node.place(file))]);
        }
        let route = check(catalog, draft, file, problems);
        catalog.routes.push(Arc::new(route));
    }
}

/// Looks up everything a route names.
fn check(catalog: &Catalog, draft: Draft<'_>, file: &Arc<str>, problems: &RefCell<Problems>) -> Route {
    let source = system(catalog, &draft.from, problems);
    if let Some(source) = source
        && !source.sources.any()
    {
        let text = format!("system `{}` has no way in: its file has no `in`", source.id);
        extend(problems, [Problem::new(code::NO_ENDPOINT, text).at(draft.from.place.clone())]);
    }
    let profile = source.and_then(|source| catalog.profile(&source.profile));
    if let Some(profile) = profile
        && !draft.document_type.text.is_empty()
        && profile.document_type(draft.document_type.text).is_none()
    {
        let known: Vec<_> = profile.document_types().map(|known| known.name.clone()).collect();
        let text = format!("profile `{}` does not speak `{}`", profile.name(), draft.document_type.text);
        let problem = Problem::new(code::UNKNOWN_TYPE, text)
            .at(draft.document_type.place.clone())
            .hint(format!("it speaks {}", known.join(", ")))
            .did_you_mean(draft.document_type.text, known.iter().map(String::as_str));
        extend(problems, [problem]);
    }
    let test = |value: &Yaml| formula(catalog, draft.document_type.text, value, file, problems);
    let order_by = draft.order_by.and_then(test);
    let mut targets = Vec::new();
    for target in &draft.targets {
        let to = system(catalog, &target.system, problems);
        if targets.iter().any(|known: &Target| known.system == target.system.text) {
            let text = format!("system `{}` is a target of this route already", target.system.text);
            let problem = Problem::new(code::NAME, text).at(target.system.place.clone());
            extend(problems, [problem.hint("join the conditions with `or`, or write a second route")]);
        }
        if let Some(to) = to
            && to.sink.is_none()
        {
            let text = format!("system `{}` has no way out: its file has no `out`", to.id);
            extend(problems, [Problem::new(code::NO_ENDPOINT, text).at(target.system.place.clone())]);
        }
        let when = target.when.and_then(test);
        let mut document_type = draft.document_type.text.to_owned();
        let mut chain = Vec::new();
        let mut whole = true;
        for (at, name) in target.mappings.iter().enumerate() {
            let Some(mapping) = catalog.mapping(name.text) else {
                whole = false;
                // A mapping with errors of its own is reported where they are.
                if !library_has(problems, name.text) {
                    let text = format!("there is no mapping `{}`", name.text);
                    let names = catalog.mappings.keys().map(String::as_str);
                    let problem = Problem::new(code::UNKNOWN_MAPPING, text).at(name.place.clone());
                    extend(problems, [problem.did_you_mean(name.text, names)]);
                }
                continue;
            };
            if whole && mapping.from() != document_type {
                let text = format!("mapping `{}` takes `{}`, but gets `{document_type}`", name.text, mapping.from());
                extend(problems, [Problem::new(code::TYPE_MISMATCH, text).at(name.place.clone())]);
            }
            if !mapping.documents().is_empty() && at + 1 < target.mappings.len() {
                let text = format!("mapping `{}` makes several documents, and none can follow it", name.text);
                extend(problems, [Problem::new(code::TYPE_MISMATCH, text).at(name.place.clone())]);
            }
            mapping.to().clone_into(&mut document_type);
            chain.push(mapping.clone());
        }
        let outcomes = match chain.pop() {
            Some(last) if !last.documents().is_empty() => last.documents().to_vec(),
            last => last.into_iter().collect(),
        };
        let document_types: Vec<String> = match outcomes.as_slice() {
            [] => vec![document_type],
            made => made.iter().map(|mapping| mapping.to().to_owned()).collect(),
        };
        let speaks = to.and_then(|to| catalog.profile(&to.profile));
        for (at, document_type) in document_types.into_iter().enumerate() {
            if let Some(profile) = speaks
                && whole
                && profile.document_type(&document_type).is_none()
            {
                let place = target.mappings.last().map_or(&target.place, |name| &name.place).clone();
                let text = format!(
                    "`{document_type}` arrives at system `{}`, whose profile `{}` does not speak it",
                    target.system.text,
                    profile.name()
                );
                extend(problems, [Problem::new(code::TYPE_MISMATCH, text).at(place)]);
            }
            let made = outcomes.get(at);
            let document = made.and_then(|mapping| mapping.document()).map(ToString::to_string).unwrap_or_default();
            let mappings = chain.iter().chain(made).cloned().collect();
            let (system, when) = (target.system.text.to_owned(), when.clone());
            targets.push(Target { system, document, when, mappings, document_type });
        }
    }
    let dead_letter = relay::check(catalog, &draft, source, problems);
    Route {
        id: draft.id,
        titles: draft.titles,
        mode: draft.mode,
        dead_letter,
        from: draft.from.text.to_owned(),
        document_type: draft.document_type.text.to_owned(),
        order_by,
        blocks_when_parked: draft.blocks_when_parked,
        targets,
    }
}

/// Whether some problem was found in that mapping's own file.
fn library_has(problems: &RefCell<Problems>, mapping: &str) -> bool {
    let ending = format!("mappings/{mapping}.yaml");
    let is_there = |problem: &Problem| problem.place.file.as_ref().is_some_and(|file| file.ends_with(&ending));
    problems.borrow().0.iter().any(is_there)
}

fn system<'a>(catalog: &'a Catalog, name: &Named<'_>, problems: &RefCell<Problems>) -> Option<&'a Arc<System>> {
    let found = catalog.system(name.text);
    if found.is_none() && !name.text.is_empty() {
        let text = format!("there is no system `{}`", name.text);
        let problem = Problem::new(code::UNKNOWN_SYSTEM, text).at(name.place.clone());
        extend(problems, [problem.did_you_mean(name.text, catalog.systems.keys().map(String::as_str))]);
    }
    found
}

/// A formula about documents of a type; `=` in front, as everywhere.
fn formula(
    catalog: &Catalog,
    document_type: &str,
    value: &Yaml,
    file: &Arc<str>,
    problems: &RefCell<Problems>,
) -> Option<Arc<Test>> {
    let text = value.text().unwrap_or_default();
    let Some(text) = text.strip_prefix('=') else {
        let problem = Problem::new(code::NAME, "a formula begins with `=`").at(value.place(file));
        extend(problems, [problem]);
        return None;
    };
    let symbols = RefCell::new(Symbols::default());
    let model = catalog.model(document_type).cloned();
    let source = model.as_deref().map(Source);
    let namespace = catalog.profile_of(document_type).and_then(|profile| {
        let namespace = &profile.document_type(document_type)?.namespace;
        (!namespace.is_empty()).then(|| namespace.clone())
    });
    let scope = Scope {
        default_element_namespace: namespace.as_deref(),
        model: source.as_ref().map(|source| source as &dyn crate::xpath::SourceModel),
        context: source
            .as_ref()
            .map_or_else(StaticType::any, |source| StaticType::root(source as &dyn crate::xpath::SourceModel)),
        checked: true,
        file: Some(file.clone()),
        line: value.line,
        column: value.column + 1,
        ..Scope::new(&symbols)
    };
    match Formula::compile(text, &scope) {
        Ok(formula) => Some(Arc::new(Test { formula, symbols: symbols.into_inner() })),
        Err(more) => {
            extend(problems, more.0);
            None
        }
    }
}
