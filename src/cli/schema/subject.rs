//! What a person means by a schema: a document type, a schema file, or a root element of a family.

use std::{fs, path::Path, sync::Arc};

use crate::{
    app,
    base::{Problems, suggest},
    catalog::{Family, Library},
    cli::{Common, Exit, Failed},
    config::Settings,
    document::QName,
    schema::{Child, Model, TypeId},
};

/// A model and the root element asked for.
pub struct Subject {
    /// As it was asked for.
    pub name: String,
    /// What its documents may look like.
    pub model: Arc<Model>,
    /// The root element; `None` for all of the schema.
    root: Option<QName>,
}

impl Subject {
    /// Finds what `named` means: `hub/sales-order@1`, `orders/order.xsd` (a file of the content folder or on disk) or
    /// `ubl/2.4/Order` (family, version, root element).
    pub fn find(common: &Common, named: &str) -> Result<Self, Failed> {
        let settings = common.settings()?;
        let library = library(&settings);
        if named.ends_with(".xsd") {
            return Self::of_file(&library, named);
        }
        let parts: Vec<&str> = named.split('/').collect();
        if let [family, version, element] = parts[..] {
            return Self::of_family(&library, named, (family, version, element));
        }
        let (catalog, _) = app::load_catalog(&settings);
        let known = catalog.profile_of(named).and_then(|profile| profile.document_type(named));
        let Some(known) = known else {
            let types = catalog.profiles().flat_map(|profile| profile.document_types());
            let hint = suggest(named, types.map(|of| of.name.as_str()));
            let hint = hint.map_or_else(
                || "; name a document type (hub/sales-order@1), a .xsd file or FAMILY/VERSION/ROOT".to_owned(),
                |best| format!("; did you mean `{best}`?"),
            );
            return Err(Failed::new(Exit::NotFound, format!("there is no document type `{named}`{hint}")));
        };
        let Some(model) = catalog.model(named) else {
            return Err(Failed::new(Exit::NotFound, format!("`{named}` has no schema that can be read")));
        };
        let document = model.get(TypeId::DOCUMENT);
        let root = document
            .children
            .iter()
            .find(|child| *child.name.local == *known.root && *child.name.namespace == *known.namespace);
        Ok(Self { name: named.to_owned(), model: model.clone(), root: root.map(|root| root.name.clone()) })
    }

    fn of_file(library: &Library, named: &str) -> Result<Self, Failed> {
        let path = named.strip_prefix("schemas/").unwrap_or(named);
        let read = |name: &str| library.read(&format!("schemas/{name}")).ok().flatten().map(|bytes| bytes.into_owned());
        if read(path).is_some() {
            return Self::loaded(named, Model::load(&read, path), None);
        }
        let full = fs::canonicalize(Path::new(named))
            .map_err(|error| Failed::new(Exit::NotFound, format!("there is no schema file `{named}`: {error}")))?;
        let full = full.to_string_lossy().into_owned();
        let read = |name: &str| fs::read(format!("/{name}")).ok();
        Self::loaded(named, Model::load(&read, full.trim_start_matches('/')), None)
    }

    fn of_family(library: &Library, named: &str, wanted: (&str, &str, &str)) -> Result<Self, Failed> {
        let (family, version, element) = wanted;
        let families = Family::all(library);
        let Some(known) = families.iter().find(|known| known.family == family && known.version == version) else {
            let names: Vec<String> = families.iter().map(|one| format!("{}/{}", one.family, one.version)).collect();
            let text = format!("there is no family `{family}/{version}`; there are {}", names.join(", "));
            return Err(Failed::new(Exit::NotFound, text));
        };
        let Some(root) = known.roots.iter().find(|root| root.element == element) else {
            let hint = suggest(element, known.roots.iter().map(|root| root.element.as_str()));
            let hint = hint.map_or_else(
                || format!("; see `crossdock schema list {family}/{version}`"),
                |best| format!("; did you mean `{best}`?"),
            );
            let text = format!("`{family}/{version}` has no root element `{element}`{hint}");
            return Err(Failed::new(Exit::NotFound, text));
        };
        let read = |name: &str| library.read(&format!("schemas/{name}")).ok().flatten().map(|bytes| bytes.into_owned());
        let loaded = Model::load(&read, &format!("{family}/{version}/{}", root.file));
        Self::loaded(named, loaded, Some(QName::new(root.namespace.as_str(), &*root.element)))
    }

    fn loaded(named: &str, model: Result<Model, Problems>, root: Option<QName>) -> Result<Self, Failed> {
        match model {
            Ok(model) => Ok(Self { name: named.to_owned(), model: Arc::new(model), root }),
            Err(problems) => Err(Failed::new(Exit::Problems, problems)),
        }
    }

    /// The root elements asked for.
    pub fn roots(&self) -> Vec<&Child> {
        let all = self.model.get(TypeId::DOCUMENT).children.iter();
        all.filter(|child| self.root.as_ref().is_none_or(|root| child.name == *root)).collect()
    }
}

/// The library the settings name.
pub fn library(settings: &Settings) -> Library {
    Library::over(&settings.hub.content)
}
