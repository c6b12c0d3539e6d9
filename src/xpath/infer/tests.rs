//! Static types and what is said of formulas, as tables over a small model.

use std::cell::RefCell;

use crate::{
    document::QName,
    xpath::{Class, Formula, Least, Most, Occurs, Scope, SourceModel, StaticType, TextType, TypeRef},
};

/// `Order{@no, Date:date, Rate?:decimal, Kind:(a|b), Note?, Buyer?{Name, Paid:boolean}, Line+{Item, Price:decimal,
/// Count:integer}}`
struct Model;

/// Name, type number, how often, class, words.
type Row = (&'static str, u32, Occurs, Option<Class>, &'static [&'static str]);

const LINES: Occurs = Occurs { least: Least::One, most: Most::Many };

fn children(of: u32) -> &'static [Row] {
    match of {
        0 => &[("Order", 1, Occurs::ONE, None, &[])],
        1 => &[
            ("Date", 2, Occurs::ONE, Some(Class::Date), &[]),
            ("Rate", 3, Occurs::OPTIONAL, Some(Class::Decimal), &[]),
            ("Kind", 4, Occurs::ONE, Some(Class::String), &["a", "b"]),
            ("Note", 5, Occurs::OPTIONAL, Some(Class::String), &[]),
            ("Buyer", 6, Occurs::OPTIONAL, None, &[]),
            ("Line", 7, LINES, None, &[]),
        ],
        6 => &[("Name", 8, Occurs::ONE, Some(Class::String), &[]), ("Paid", 9, Occurs::ONE, Some(Class::Boolean), &[])],
        7 => &[
            ("Item", 10, Occurs::ONE, Some(Class::String), &[]),
            ("Price", 11, Occurs::ONE, Some(Class::Decimal), &[]),
            ("Count", 12, Occurs::ONE, Some(Class::Integer), &[]),
        ],
        _ => &[],
    }
}

fn all() -> impl Iterator<Item = &'static Row> {
    (0..8).flat_map(children)
}

impl SourceModel for Model {
    fn root(&self) -> TypeRef {
        TypeRef(0)
    }

    fn child(&self, of: TypeRef, name: &QName) -> Option<TypeRef> {
        children(of.0).iter().find(|row| row.0 == &*name.local).map(|row| TypeRef(row.1))
    }

    fn attribute(&self, of: TypeRef, name: &QName) -> bool {
        of.0 == 1 && &*name.local == "no"
    }

    fn child_names(&self, of: TypeRef) -> Vec<QName> {
        children(of.0).iter().map(|row| QName::local(row.0)).collect()
    }

    fn attribute_names(&self, of: TypeRef) -> Vec<QName> {
        if of.0 == 1 { vec![QName::local("no")] } else { Vec::new() }
    }

    fn is_open(&self, _: TypeRef) -> bool {
        false
    }

    fn parent(&self, of: TypeRef) -> Option<TypeRef> {
        (0..8).find(|parent| children(*parent).iter().any(|row| row.1 == of.0)).map(TypeRef)
    }

    fn descendant_named(&self, _: TypeRef, name: &QName) -> Vec<TypeRef> {
        all().filter(|row| row.0 == &*name.local).map(|row| TypeRef(row.1)).collect()
    }

    fn occurs(&self, of: TypeRef, name: &QName) -> Occurs {
        children(of.0).iter().find(|row| row.0 == &*name.local).map_or(Occurs::ANY, |row| row.2)
    }

    fn requires_attribute(&self, _: TypeRef, _: &QName) -> bool {
        true
    }

    fn text(&self, of: TypeRef, attribute: Option<&QName>) -> Option<TextType> {
        let row = all().find(|row| row.1 == of.0)?;
        let class = if attribute.is_some() { Some(Class::Integer) } else { row.3 };
        class.map(|class| TextType { class, list: false, words: row.4.iter().map(|word| (*word).into()).collect() })
    }

    fn misfit(&self, of: TypeRef, _: Option<&QName>, text: &str) -> Option<String> {
        let words = all().find(|row| row.1 == of.0).map_or(&[][..], |row| row.4);
        (!words.is_empty() && !words.contains(&text)).then(|| "it is not allowed".to_owned())
    }
}

fn compiled(text: &str) -> (String, Vec<String>) {
    let symbols = RefCell::default();
    let variables = ["order".to_owned(), "pattern".to_owned()];
    let root = StaticType::root(&Model);
    let scope = Scope { model: Some(&Model), context: root.clone(), checked: true, ..Scope::new(&symbols) };
    let order = Formula::compile("Order", &scope).expect("a path").static_type().clone();
    let pattern = Formula::compile("'[a'", &scope).expect("a text").static_type().clone();
    let types = [order, pattern];
    let scope = Scope { variables: &variables, variable_types: &types, ..scope };
    match Formula::compile(text, &scope) {
        Ok(formula) => {
            let told = formula.warnings().iter().map(|problem| problem.code.id.to_owned()).collect();
            (formula.static_type().to_string(), told)
        }
        Err(problems) => (String::new(), problems.0.iter().map(|problem| problem.code.id.to_owned()).collect()),
    }
}

#[test]
fn every_expression_has_a_type_and_an_occurrence() {
    for (formula, expected) in [
        ("Order/Date", "/Order/Date"),
        ("Order/@no", "/Order/@no"),
        ("$order/Rate", "/Order/Rate?"),
        ("Order/Buyer/Name", "/Order/Buyer/Name?"),
        ("Order/Line", "/Order/Line+"),
        ("Order/Line[1]", "/Order/Line"),
        ("Order/Line[last()]/Item", "/Order/Line/Item"),
        ("Order/Line[3]", "/Order/Line?"),
        ("Order/Line[Price > 1]", "/Order/Line*"),
        ("Order/Line/..", "/Order+"),
        ("//Price", "/Order/Line/Price*"),
        ("Order/Buyer/*", "(/Order/Buyer/Name | /Order/Buyer/Paid)*"),
        ("/Order/Kind", "/Order/Kind"),
        ("($order/Rate, 1)[1]", "(/Order/Rate | 1)"),
        ("($order/Rate, $order/Note)", "(/Order/Rate | /Order/Note)*"),
        ("()", "empty-sequence()"),
        ("Order/Line/(Price * Count)", "xs:decimal+"),
        ("$order/Rate * 2", "xs:decimal?"),
        ("1 + 2", "3"),
        ("7 idiv count(Order/Line)", "xs:integer"),
        ("'a' || Order/Kind", "xs:string"),
        ("upper-case('a') = 'A'", "true"),
        ("if (Order/Kind = 'a') then 'x' else $order/Note", "('x' | /Order/Note)?"),
        ("for $l in Order/Line return $l/Price", "/Order/Line/Price+"),
        ("let $b := Order/Buyer return $b/Name", "/Order/Buyer/Name?"),
        ("some $l in Order/Line satisfies $l/Price > 3", "xs:boolean"),
        ("Order/Line ! string(Item)", "xs:string+"),
        ("Order/Date cast as xs:date", "xs:date"),
        ("xs:decimal(Order/Rate)", "xs:decimal?"),
        ("Order/Rate castable as xs:integer", "xs:boolean"),
        ("sum(Order/Line/Count)", "xs:decimal"),
        ("round($order/Rate)", "xs:integer?"),
        ("round($order/Rate, 2)", "xs:decimal?"),
        ("number(Order/Rate)", "xs:double"),
        ("string-join(Order/Line/Item, ',')", "xs:string"),
        ("head(Order/Line)", "/Order/Line"),
        ("exactly-one($order/Rate)", "/Order/Rate"),
        ("Order/Line | Order/Buyer", "(/Order/Line | /Order/Buyer)+"),
        ("code('t', $order/Note)", "xs:string?"),
        ("code('t', Order/Kind, 'none')", "(xs:string | 'none')"),
        ("format-date(Order/Date, '[Y]')", "xs:string"),
        ("if (Order/Buyer) then Order/Buyer/Name else 'none'", "(/Order/Buyer/Name | 'none')?"),
    ] {
        let (shown, told) = compiled(formula);
        assert_eq!((shown.as_str(), told), (expected, Vec::new()), "{formula}");
    }
}

#[test]
fn formulas_that_cannot_work_or_are_not_meant_so_are_told() {
    for (formula, codes) in [
        ("Order/Date * 2", &["XD-X040"][..]),
        ("upper-case(3)", &["XD-X040"]),
        ("'a' * 2", &["XD-X040"]),
        ("true() + 1", &["XD-X040"]),
        ("Order/Line * 2", &["XD-X040", "XD-X042"]),
        ("Order/Date = 3", &["XD-X040"]),
        ("3 = 'a'", &["XD-X046"]),
        ("exists(Order/Rate) = 'true'", &["XD-X040"]),
        ("abs(Order/Date)", &["XD-X040"]),
        ("Order/Date + xs:dayTimeDuration('P1D')", &["XD-X040"]),
        ("format-date(Order/Rate, '[Y]')", &["XD-X040"]),
        ("name('a')", &["XD-X040"]),
        ("xs:decimal(Order/Date)", &["XD-X040"]),
        ("1 div 0", &["XD-X046"]),
        ("xs:integer('x')", &["XD-X046"]),
        ("matches(Order/Kind, $pattern)", &["XD-X008"]),
        ("Order/Note * 2", &["XD-X041"]),
        ("Order/Line/Price + 1", &["XD-X042"]),
        ("upper-case(Order/Line/Item)", &["XD-X042"]),
        ("Order/Line/Item eq 'x'", &["XD-X042"]),
        ("Order/Line/Item || 'x'", &["XD-X042"]),
        ("Order/Kind = 'c'", &["XD-X043"]),
        ("Order/Kind != 'c'", &["XD-X043"]),
        ("Order/Date = Order/Rate", &["XD-X043"]),
        ("Order/Kind = ('a', 'c')", &[]),
        ("Order/Kind != ''", &[]),
        ("Order/Line[Price > Count]", &["XD-X044"]),
        ("Order/Line[Price = '1']", &["XD-X044"]),
        ("Order/Line[Price > 1]", &[]),
        ("Order/Line[number(Price) > Count]", &[]),
        ("if (Order/Date) then 1 else 2", &["XD-X045"]),
        ("if (1 = 1) then 1 else 2", &["XD-X045"]),
        ("Order/Line['x' = 'x']", &["XD-X045"]),
        ("Order/Rate and Order/Note", &[]),
        ("xs:date(Order/Date) + xs:dayTimeDuration('P1D')", &[]),
    ] {
        let (_, mut told) = compiled(formula);
        told.sort();
        assert_eq!(told, codes, "{formula}");
    }
}
