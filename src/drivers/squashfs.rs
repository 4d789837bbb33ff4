//! Reading and writing squashfs images.
