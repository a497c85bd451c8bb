//! A font that is read through maps is the font in memory.

use fontdb::{Database, Source};
use std::fs;
use std::sync::Arc;

const FONTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fonts");

#[test]
fn a_mapped_font_is_the_font_in_memory() {
    let bytes = fs::read(format!("{FONTS}/Tuffy.ttf")).unwrap();
    let mut in_memory = Database::new();
    in_memory.load_font_source(Source::Binary(Arc::new(bytes.clone())));
    let mut mapped = Database::new();
    mapped.load_font_file(format!("{FONTS}/Tuffy.ttf")).unwrap();
    mapped.load_fonts_dir(FONTS);
    assert_eq!((in_memory.len(), mapped.len()), (1, 2));
    let expected = in_memory.faces().next().unwrap();
    for face in mapped.faces() {
        assert_eq!((&face.families, &face.post_script_name), (&expected.families, &expected.post_script_name));
        assert_eq!((face.style, face.weight, face.monospaced), (expected.style, expected.weight, expected.monospaced));
        assert!(mapped.with_face_data(face.id, |data, _| data == bytes).unwrap());
    }

    // A map that is kept outlives the database.
    let id = mapped.faces().next().unwrap().id;
    // SAFETY: nobody writes the font.
    let (kept, index) = unsafe { mapped.make_shared_face_data(id).unwrap() };
    assert!(mapped.with_face_data(id, |data, _| data.as_ptr() == (*kept).as_ref().as_ptr()).unwrap());
    mapped.make_face_data_unshared(id);
    drop(mapped);
    assert_eq!((index, (*kept).as_ref()), (0, &bytes[..]));
}
