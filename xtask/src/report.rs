//! Small aligned tables.

/// Prints `rows` under `header`, columns aligned; a column whose cells are all numbers is aligned to the right.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) {
    print!("{}", render(header, rows));
}

fn render<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let numeric: [bool; N] = std::array::from_fn(|column| {
        rows.iter().all(|row| row[column].chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-'))
    });
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = widths[column];
            line += &if numeric[column] { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = line(header);
    for row in rows {
        text += &line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn columns_are_aligned_and_numbers_stand_at_the_right() {
        let rows = [["fmt".into(), "0.5".into()], ["clippy".into(), "12.0".into()]];
        assert_eq!(render(["step", "seconds"], &rows), "step    seconds\nfmt         0.5\nclippy     12.0\n");
    }
}
