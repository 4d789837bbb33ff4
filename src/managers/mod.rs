//! One room per domain; its `mod.rs` is its face.

pub mod changes;
pub mod hardware;
pub mod interfaces;
pub mod reconcile;
pub mod services;
pub mod settings;
pub mod snaps;
pub mod system;

use std::sync::Arc;

/// Every manager, as the dialects get them.
pub struct Managers {
    pub changes: Arc<changes::Changes>,
    pub interfaces: Arc<interfaces::Interfaces>,
    pub hardware: Arc<hardware::Hardware>,
    pub services: Arc<services::Services>,
    pub settings: Arc<settings::Settings>,
    pub snaps: Arc<snaps::Snaps>,
    pub system: Arc<system::System>,
    /// The bus on which all of them tell what happens.
    pub events: Arc<crate::events::Bus>,
}

#[cfg(test)]
impl Managers {
    /// All managers over a store, for tests of the dialects. A manager that is added is built here, too.
    pub fn over(store: &Arc<crate::store::Store>, dirs: &crate::domain::Dirs) -> Arc<Self> {
        use crate::engine::{Engine, History, Registry};
        let bus = crate::events::Bus::new(|| crate::domain::Timestamp(0));
        let engine = Engine::new(
            Arc::clone(store),
            Arc::clone(&bus),
            Registry::default(),
            History::default(),
        );
        let hardware = hardware::Hardware::open(
            crate::config::board::built_in("sim").and_then(Result::ok),
            dirs,
            Arc::clone(store),
            Arc::clone(&bus),
            &crate::drivers::clock::Clock::system(),
            tokio::runtime::Handle::current(),
        );
        let given = Arc::clone(&hardware);
        let services = services::Services::new(
            dirs.clone(),
            Arc::clone(store),
            Arc::clone(&bus),
            Arc::new(move |snap| given.grants_of(snap)),
            std::path::PathBuf::from("/nonexistent/pinion"),
        );
        let interfaces = interfaces::Interfaces::new(
            Arc::clone(store),
            Arc::clone(&hardware),
            Arc::clone(&services),
            Arc::clone(&bus),
            true,
        );
        let settings = settings::Settings::new(
            dirs.clone(),
            Arc::clone(store),
            Arc::clone(&services),
            Arc::clone(&interfaces),
            Arc::clone(&hardware),
            None,
        );
        Arc::new(Self {
            hardware,
            services,
            settings,
            changes: Arc::new(changes::Changes::new(engine)),
            interfaces,
            snaps: snaps::Snaps::new(
                dirs.clone(),
                Arc::clone(store),
                crate::drivers::mount::Mounts::unpacking(),
                snaps::Device {
                    architecture: "amd64",
                    on_classic: true,
                    executable: std::path::PathBuf::from("/usr/bin/pinion"),
                },
            ),
            system: Arc::new(system::System::new(dirs, false)),
            events: bus,
        })
    }
}
