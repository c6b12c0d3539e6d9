//! Amounts in words, as on Chinese invoices (the form the People's Bank of China prescribes for bills).

use crate::document::Decimal;

const DIGITS: [char; 10] = ['零', '壹', '贰', '叁', '肆', '伍', '陆', '柒', '捌', '玖'];
const PLACES: [&str; 4] = ["仟", "佰", "拾", ""];
const SECTIONS: [&str; 4] = ["", "万", "亿", "万亿"];

/// The amount, rounded to 分; `None` from ten thousand trillion on.
pub(super) fn chinese(amount: Decimal) -> Option<String> {
    let cents = amount.abs().multiply(Decimal::from(100)).ok()?.round(0).to_i64()?;
    let (yuan, jiao, fen) = (cents / 100, cents / 10 % 10, cents % 10);
    if yuan >= 10_000_000_000_000_000 {
        return None;
    }
    let mut words = String::new();
    if amount.is_negative() && cents > 0 {
        words.push('负');
    }
    if yuan > 0 || cents == 0 {
        whole(&mut words, yuan);
        words.push('元');
    }
    let digit = |value: i64| usize::try_from(value).ok().and_then(|value| DIGITS.get(value)).copied();
    if jiao > 0 {
        words.push(digit(jiao)?);
        words.push('角');
    } else if fen > 0 && yuan > 0 {
        words.push('零');
    }
    if fen > 0 {
        words.push(digit(fen)?);
        words.push('分');
    } else {
        words.push('整');
    }
    Some(words)
}

fn whole(words: &mut String, yuan: i64) {
    if yuan == 0 {
        words.push('零');
        return;
    }
    let text = format!("{yuan:016}");
    let mut begun = false;
    let mut gap = false;
    for (index, section) in text.as_bytes().chunks(4).enumerate() {
        let mut any = false;
        for (place, digit) in section.iter().enumerate() {
            let value = usize::from(digit - b'0');
            if value == 0 {
                gap = begun;
                continue;
            }
            if gap {
                words.push('零');
            }
            (gap, begun, any) = (false, true, true);
            words.push(DIGITS[value]);
            words.push_str(PLACES[place]);
        }
        // 万亿 shares its 亿 with the section after it
        let follows = index == 0 && text[4..8] != *"0000";
        if any {
            words.push_str(if follows { "万" } else { SECTIONS[3 - index] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decimal, chinese};

    #[test]
    fn amounts_read_as_on_a_bill() {
        for (amount, words) in [
            ("1", "壹元整"),
            ("10", "壹拾元整"),
            ("1001", "壹仟零壹元整"),
            ("100000", "壹拾万元整"),
            ("100010", "壹拾万零壹拾元整"),
            ("107000.53", "壹拾万零柒仟元伍角叁分"),
            ("100000000", "壹亿元整"),
            ("100000001", "壹亿零壹元整"),
            ("1234567890.12", "壹拾贰亿叁仟肆佰伍拾陆万柒仟捌佰玖拾元壹角贰分"),
            ("1000000000000", "壹万亿元整"),
            ("1000200000000", "壹万零贰亿元整"),
            // the examples of the rules for filling in bills
            ("1409.50", "壹仟肆佰零玖元伍角整"),
            ("6007.14", "陆仟零柒元壹角肆分"),
            ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
            ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
            ("325.04", "叁佰贰拾伍元零肆分"),
            ("0.05", "伍分"),
            ("-3.5", "负叁元伍角整"),
        ] {
            let amount = Decimal::parse(amount).expect("a decimal");
            assert_eq!(chinese(amount).as_deref(), Some(words), "{amount}");
        }
    }
}
