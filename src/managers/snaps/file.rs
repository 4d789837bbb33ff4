//! What a snap file says: its snap.yaml, its hooks, and whether the files that it names are there.

use super::content::Content;
use super::{container, desktop, yaml};
use crate::domain::snap::SnapType;
use crate::domain::{ErrorKind, Fault, SnapInfo};
use crate::drivers::squashfs::ImageError;
use crate::managers::interfaces;
use std::path::Path;

/// Where a gadget says what it asks for.
const GADGET: &str = "meta/gadget.yaml";

/// What is wrong with a snap file.
#[derive(Debug, thiserror::Error)]
pub enum SnapFileError {
    /// It is no image, or a damaged one.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its snap.yaml.
    #[error(transparent)]
    Yaml(#[from] yaml::SnapYamlError),
    /// Files that it names.
    #[error(transparent)]
    Container(#[from] container::ContainerError),
}

impl SnapFileError {
    /// The same as an answer to the request that brought the file.
    pub fn fault(&self, shown: &str) -> Fault {
        let kind = match self {
            Self::Image(ImageError::File(_)) => ErrorKind::Internal,
            Self::Image(_) | Self::Yaml(_) | Self::Container(_) => ErrorKind::BadRequest,
        };
        Fault::new(kind, format!("cannot read snap file {shown:?}: {self}"))
    }
}

/// What a snap says of itself, without the plugs and slots that their interfaces refuse.
pub(super) fn read_info(content: &Content) -> Result<SnapInfo, SnapFileError> {
    let bytes = content.read("meta/snap.yaml", yaml::MAX_SIZE as u64)?;
    let hooks = content.files_in("meta/hooks")?;
    let mut info = yaml::parse_with_hooks(&bytes, &hooks)?;
    if info.kind == SnapType::Gadget && content.find(GADGET)?.is_some() {
        let bytes = content.read(GADGET, yaml::MAX_SIZE as u64)?;
        info.gadget = Some(yaml::parse_gadget_yaml(&bytes)?);
    }
    interfaces::validate(&mut info);
    info.desktop_files = desktop::usable(content)?;
    Ok(info)
}

/// The same with the check that everything it names is there and can be run.
pub(super) fn read_checked(path: &Path) -> Result<SnapInfo, SnapFileError> {
    let content = Content::open(path)?;
    let info = read_info(&content)?;
    container::check(&content, &info)?;
    Ok(info)
}
