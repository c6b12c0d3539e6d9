//! Values of atomic types: casts, what they are instances of, computing and comparing, dates after pictures.

use super::{check, run};

/// Each formula fails with the W3C code beside it.
fn refuse(cases: &[(&str, &str)]) {
    for (formula, code) in cases {
        match run(formula) {
            Err(failure) => {
                let text = failure.problem().text;
                assert!(text.contains(&format!("({code})")), "{formula}: {text}");
            }
            Ok(value) => panic!("{formula} is {value}, not {code}"),
        }
    }
}

#[test]
fn values_are_cast_between_types() {
    check(&[
        ("xs:float('3.4e5')", "340000"),
        ("xs:float('1e10')", "1.0E10"),
        ("xs:double(xs:float('0.1'))", "0.10000000149011612"),
        ("xs:anyURI(' http://example.com/ ')", "http://example.com/"),
        ("xs:hexBinary(xs:base64Binary('D74D'))", "0FBE03"),
        ("xs:gYear(xs:date('2013-06-18Z'))", "2013Z"),
        ("xs:gMonthDay(xs:dateTime('2013-06-18T08:00:00'))", "--06-18"),
        ("xs:token('  a  b ')", "a b"),
        ("xs:normalizedString('a\tb')", "a b"),
        ("xs:byte('-128')", "-128"),
        ("xs:int(3.9)", "3"),
        ("xs:unsignedLong('18446744073709551615')", "18446744073709551615"),
        ("xs:dateTimeStamp('2013-06-18T08:00:00Z')", "2013-06-18T08:00:00Z"),
        ("count(xs:NMTOKENS(' a b  c '))", "3"),
        ("xs:numeric('12') instance of xs:double", "true"),
        ("namespace-uri-from-QName(xs:QName('s:Order'))", "urn:shop"),
        ("prefix-from-QName(xs:QName('s:Order'))", "s"),
        ("'1.5' castable as xs:byte", "false"),
        ("'nope:Order' castable as xs:QName", "false"),
        ("() castable as xs:error?", "true"),
        ("xs:date('2013-06-18') castable as xs:gDay", "true"),
        ("xs:time('08:00:00') castable as xs:date", "false"),
    ]);
    refuse(&[
        ("xs:byte(128)", "FORG0001"),
        ("xs:long('99999999999999999999999999999999')", "FORG0001"),
        ("xs:NCName('a:b')", "FORG0001"),
        ("xs:language('a-123456789')", "FORG0001"),
        ("xs:dateTimeStamp('2013-06-18T08:00:00')", "FORG0001"),
        ("xs:integer(xs:double('NaN'))", "FOCA0002"),
        ("xs:integer(1e100)", "FOCA0003"),
        ("xs:decimal(1e100)", "FOCA0001"),
        ("xs:date('12013-06-18')", "FODT0001"),
        ("xs:yearMonthDuration('P999999999999Y')", "FODT0002"),
        ("xs:gYear(1)", "XPTY0004"),
        ("'a' cast as xs:NOTATION", "XPST0080"),
        ("'a' cast as xs:name", "XPST0051"),
        ("'a' cast as nope:name", "XPST0081"),
        ("xs:name('a')", "XPST0017"),
        ("xs:NOTATION('a')", "XPST0017"),
        ("xs:error('a')", "FORG0001"),
        ("xs:QName('nope:Order')", "FONS0004"),
    ]);
}

#[test]
fn derived_values_are_instances_of_every_type_above() {
    check(&[
        ("xs:byte(1) instance of xs:short", "true"),
        ("xs:byte(1) instance of xs:decimal", "true"),
        ("xs:byte(1) instance of xs:numeric", "true"),
        ("xs:byte(1) instance of xs:nonNegativeInteger", "false"),
        ("1 instance of xs:byte", "false"),
        ("xs:ID('a') instance of xs:string", "true"),
        ("xs:ID('a') instance of xs:IDREF", "false"),
        ("xs:dayTimeDuration('P1D') instance of xs:duration", "true"),
        ("(xs:byte(1) + 1) instance of xs:byte", "false"),
        ("max((xs:byte(1), xs:byte(2))) instance of xs:byte", "true"),
        ("max((xs:anyURI('b'), 'a')) instance of xs:string", "true"),
        ("upper-case(xs:token('a'))", "A"),
        ("xs:anyURI('a') || xs:byte(1)", "a1"),
    ]);
}

#[test]
fn numbers_of_several_types_compute_in_the_widest() {
    check(&[
        ("(xs:float(1) + 1.5) instance of xs:float", "true"),
        ("(xs:float(1) + 1e0) instance of xs:double", "true"),
        ("xs:float('0.1') eq 0.1", "true"),
        ("xs:float('0.1') eq 0.1e0", "false"),
        ("7 idiv 1e300", "0"),
        ("sum((xs:float(1), 2)) instance of xs:float", "true"),
        ("avg((xs:yearMonthDuration('P1Y'), xs:yearMonthDuration('P2M')))", "P7M"),
        ("max((1, xs:float('NaN'), 2.5))", "NaN"),
        ("round(-0.4e0)", "-0"),
        ("xs:dayTimeDuration('P1D') * 1.5", "P1DT12H"),
        ("xs:yearMonthDuration('P1Y') div 1e300", "P0M"),
    ]);
    refuse(&[
        ("xs:dayTimeDuration('P1D') * xs:double('NaN')", "FOCA0005"),
        ("xs:dayTimeDuration('P1D') div 0", "FODT0002"),
        ("xs:yearMonthDuration('P1Y') * 1e300", "FODT0002"),
        ("sum((1, xs:yearMonthDuration('P1Y')))", "FORG0006"),
        ("sum('a')", "FORG0006"),
        ("max((1, 'a'))", "FORG0006"),
        ("max(xs:gYear('2013'))", "FORG0006"),
        ("1e0 idiv 0", "FOAR0001"),
    ]);
}

#[test]
fn only_values_with_an_order_are_ordered() {
    check(&[
        ("xs:gYear('2013Z') eq xs:gYear('2013')", "true"),
        ("xs:QName('s:a') eq QName('urn:shop', 'a')", "true"),
        ("xs:hexBinary('00') lt xs:hexBinary('0100')", "true"),
        ("xs:anyURI('a') lt 'b'", "true"),
        ("xs:duration('P1Y') eq xs:yearMonthDuration('P12M')", "true"),
        ("xs:yearMonthDuration('P0M') eq xs:dayTimeDuration('PT0S')", "true"),
        ("boolean(xs:anyURI(''))", "false"),
        ("not(xs:float('NaN'))", "true"),
    ]);
    refuse(&[
        ("xs:gYear('2013') lt xs:gYear('2014')", "XPTY0004"),
        ("xs:QName('s:a') lt xs:QName('s:b')", "XPTY0004"),
        ("xs:duration('P1Y') lt xs:duration('P2Y')", "XPTY0004"),
        ("xs:yearMonthDuration('P1Y') lt xs:dayTimeDuration('P1D')", "XPTY0004"),
        ("xs:hexBinary('00') eq xs:base64Binary('AA==')", "XPTY0004"),
        ("boolean(xs:gYear('2013'))", "FORG0006"),
    ]);
}

#[test]
fn dates_follow_their_picture() {
    check(&[
        ("format-date(xs:date('2003-09-07'), '[D1] [MI] [Y]')", "7 IX 2003"),
        ("format-date(xs:date('2003-09-07'), '[[[Y0001]-[M 0 1]]]')", "[2003-09]"),
        ("format-date(xs:date('2003-09-07'), '[D1o] [MNn,3-3]', 'en-GB', 'ISO', ())", "7th Sep"),
        ("format-date(xs:date('2003-09-07'), '[DWwo] [Yw]', 'en', (), ())", "Seventh two thousand and three"),
        ("format-date(xs:date('2003-09-07'), '[Y๐๐๐๑]')", "๒๐๐๓"),
        ("format-date(xs:date('2012-05-18'), '[Y9,999,*]')", "2,012"),
        ("format-date(xs:date('0985-03-01'), '[Y,2-2] [M,3]')", "85 003"),
        ("format-date(xs:date('2006-01-01'), '[W] [w] [d]')", "52 5 1"),
        ("format-date(xs:date('2012-05-18+05:30'), '[Z] [z0] [Z0000] [ZZ]')", "+05:30 GMT+5:30 +0530 +05:30"),
        ("format-date(xs:date('2012-05-18Z'), '[Z00:00t] [ZZ]')", "Z Z"),
        ("format-date(xs:date('2012-05-18'), '[Dw][EN]', 'zh', (), ())", "十八公元"),
        ("format-date(xs:date('2012-05-18'), '[Y]', 'xx', 'AH', ())", "[Language: en][Calendar: AD]2012"),
        ("format-time(xs:time('09:15:06.456'), '[h].[m] [PN] [f1,1-1] [f001] [f]')", "9.15 AM 4 456 456"),
    ]);
    refuse(&[
        ("format-date(xs:date('2012-05-18'), '[H]')", "FOFD1350"),
        ("format-date(xs:date('2012-05-18'), '[Y9#]')", "FOFD1340"),
        ("format-date(xs:date('2012-05-18'), '[Y,3-2]')", "FOFD1340"),
        ("format-date(xs:date('2012-05-18'), '[Y]', 'en', 'ZODIAC', ())", "FOFD1340"),
        ("parse-ietf-date('yesterday')", "FORG0010"),
        ("adjust-time-to-timezone(xs:time('08:00:00'), xs:dayTimeDuration('PT15H'))", "FODT0003"),
    ]);
}
