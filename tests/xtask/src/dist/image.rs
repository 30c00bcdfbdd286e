//! The container image as an archive of the Open Container Initiative's image layout, without a daemon.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::contents::{Entry, Release};
use super::tarball::{gzip, tar};
use super::{Package, sha256};
use crate::run::Result;

/// `goinject-0.1.0-linux-amd64.oci.tar`: what `packaging/Containerfile` builds.
pub(crate) fn image(release: &Release) -> Result<Package> {
    let layer = tar(&files(release), release.time)?;
    let packed = Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&layer)?);
    let configuration = Blob::json(
        "application/vnd.oci.image.config.v1+json",
        &configuration(release, &sha256(&layer))?,
    );
    let manifest = Blob::json(
        "application/vnd.oci.image.manifest.v1+json",
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": configuration.descriptor(),
            "layers": [packed.descriptor()],
            "annotations": annotations(release)?,
        }),
    );
    let mut named = manifest.descriptor();
    named["platform"] = json!({"architecture": "amd64", "os": "linux"});
    // What the image is called where the archive is loaded.
    named["annotations"] =
        json!({"org.opencontainers.image.ref.name": format!("goinject:{}", release.version)});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [named],
    });
    let mut entries = vec![
        Entry::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
        Entry::file("index.json", index.to_string()),
        Entry::folder("blobs", 0o755),
        Entry::folder("blobs/sha256", 0o755),
    ];
    entries.extend([packed, configuration, manifest].map(|blob| {
        let path = format!("blobs/sha256/{}", sha256(&blob.bytes));
        Entry::file(path, blob.bytes)
    }));
    Ok((
        format!("goinject-{}-linux-amd64.oci.tar", release.version),
        tar(&entries, release.time)?,
    ))
}

/// The program, what belongs to its licences, and a folder for what it keeps while it runs.
fn files(release: &Release) -> Vec<Entry> {
    let mut entries = vec![
        Entry::program("goinject", &release.program[..]),
        Entry::folder("licenses", 0o755),
    ];
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        entries.push(Entry::file(format!("licenses/{name}"), release.document(name)));
    }
    entries.push(Entry::file(
        "licenses/THIRD-PARTIES.txt",
        &release.third_parties[..],
    ));
    entries.push(Entry::folder("tmp", 0o1777));
    entries
}

fn configuration(release: &Release, layer: &str) -> Result<Value> {
    Ok(json!({
        "created": created(release)?,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": ["/goinject"],
            "Cmd": ["--help"],
            "Env": ["PATH=/"],
            "WorkingDir": "/",
            "Labels": annotations(release)?,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created": created(release)?, "created_by": "cargo xtask dist"}],
    }))
}

fn annotations(release: &Release) -> Result<Value> {
    Ok(json!({
        "org.opencontainers.image.title": "goinject",
        "org.opencontainers.image.description": "Declarative fault injector for Go programs",
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.created": created(release)?,
    }))
}

fn created(release: &Release) -> Result<String> {
    Ok(release.date()?.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A part of the image, which is known by its checksum.
struct Blob {
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(kind: &'static str, bytes: Vec<u8>) -> Blob {
        Blob { kind, bytes }
    }

    fn json(kind: &'static str, value: &Value) -> Blob {
        Blob::new(kind, value.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.kind,
            "digest": format!("sha256:{}", sha256(&self.bytes)),
            "size": self.bytes.len(),
        })
    }
}
