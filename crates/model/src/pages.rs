//! Pages that are lost under closures: no zeros are taken for data, and everything is in order at the end.

use crate::world::{World, ZEROS, explore};
use loom::thread;
use std::sync::Arc;

/// A closure that reads a page twice. Zeros stay zeros until its end, and are reported.
fn closure(world: &World, page: usize) {
    let Ok(guard) = world.lend(page..page + 1) else { return };
    let seen = [world.touch(page), world.touch(page)];
    let lost = guard.first_lost();
    assert!(seen[0] != ZEROS || seen[1] == ZEROS, "a page came back under a closure");
    assert!(seen[1] != ZEROS || lost == Some(page), "zeros were taken for data");
}

fn spawn(world: &Arc<World>, work: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn two_closures_over_a_lost_page() {
    explore(3, || {
        let world = World::new(1, true);
        let other = spawn(&world, |world| closure(world, 0));
        closure(&world, 0);
        join([other]);
        world.assert_in_order();
    });
}

#[test]
fn closures_while_the_file_is_cut() {
    explore(2, || {
        let world = World::new(1, false);
        let others = [spawn(&world, World::cut), spawn(&world, |world| closure(world, 0))];
        closure(&world, 0);
        join(others);
        world.assert_in_order();
    });
}

#[test]
fn three_closures_over_a_lost_page() {
    explore(1, || {
        let world = World::new(1, true);
        let others = [(); 2].map(|()| spawn(&world, |world| closure(world, 0)));
        closure(&world, 0);
        join(others);
        world.assert_in_order();
    });
}

/// Two closures one after the other in one thread, so that a page comes back while the other thread's closure begins.
#[test]
fn closures_that_follow_each_other() {
    explore(2, || {
        let world = World::new(1, true);
        let other = spawn(&world, |world| closure(world, 0));
        closure(&world, 0);
        closure(&world, 0);
        join([other]);
        world.assert_in_order();
    });
}

#[test]
fn nested_closures() {
    explore(2, || {
        let world = World::new(1, true);
        let other = spawn(&world, |world| closure(world, 0));
        if let Ok(outer) = world.lend(0..1) {
            closure(&world, 0);
            let seen = world.touch(0);
            closure(&world, 0);
            assert!(seen != ZEROS || world.touch(0) == ZEROS, "a page came back under the outer closure");
            assert!(seen != ZEROS || outer.first_lost() == Some(0), "zeros were taken for data");
        }
        join([other]);
        world.assert_in_order();
    });
}

#[test]
fn closures_over_neighbouring_pages() {
    explore(2, || {
        let world = World::new(2, true);
        let other = spawn(&world, |world| closure(world, 1));
        if let Ok(guard) = world.lend(0..2) {
            let seen = world.touch(1);
            assert!(seen != ZEROS || guard.first_lost() == Some(1), "zeros were taken for data");
        }
        closure(&world, 0);
        join([other]);
        world.assert_in_order();
    });
}

#[test]
fn checked_loads_beside_a_closure() {
    explore(3, || {
        let world = World::eager(1, true);
        let other = spawn(&world, |world| closure(world, 0));
        assert_ne!(world.first_load(0), Some(ZEROS), "zeros were taken for data");
        assert_ne!(world.load(0), Some(ZEROS), "zeros were taken for data");
        join([other]);
        world.assert_in_order();
    });
}

/// From the first exchange on, an access compares the turns of its pages.
#[test]
fn a_checked_load_of_a_page_that_was_lost_before() {
    explore(3, || {
        let world = World::eager(1, true);
        closure(&world, 0);
        let other = spawn(&world, |world| closure(world, 0));
        assert_ne!(world.load(0), Some(ZEROS), "zeros were taken for data");
        join([other]);
        world.assert_in_order();
    });
}

#[test]
fn checked_loads_beside_two_closures() {
    explore(2, || {
        let world = World::new(1, true);
        let others = [(); 2].map(|()| spawn(&world, |world| closure(world, 0)));
        assert_ne!(world.load(0), Some(ZEROS), "zeros were taken for data");
        join(others);
        world.assert_in_order();
    });
}

/// A page that was lost and has come back before one that is lost now.
#[test]
fn a_checked_copy_of_two_pages_beside_closures() {
    explore(2, || {
        let world = World::new(2, true);
        let others = [0, 1].map(|page| spawn(&world, move |world| closure(world, page)));
        let (reached, seen) = world.copy();
        assert!(!seen[..reached].contains(&ZEROS), "zeros were taken for data");
        join(others);
        world.assert_in_order();
    });
}

#[test]
fn accesses_that_cannot_be_repeated_beside_a_closure() {
    explore(3, || {
        let world = World::eager(1, true);
        let other = spawn(&world, |world| closure(world, 0));
        for _ in 0..2 {
            assert_ne!(world.once(0), Some(ZEROS), "zeros were taken for data");
        }
        join([other]);
        world.assert_in_order();
    });
}
