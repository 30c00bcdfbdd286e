//! How a container is asked for.

use std::fmt;
use std::str::FromStr;

use super::Container;

/// A container's name or id, or a pod and perhaps one of its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A name, an id, or the beginning of one.
    Plain(String),
    /// `NAMESPACE/POD` or `NAMESPACE/POD/CONTAINER`.
    Pod {
        /// The namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The container's name; none for all of them.
        container: Option<String>,
    },
}

/// Why a text is no container's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a container: write its name or id, or a pod as NAMESPACE/POD or NAMESPACE/POD/CONTAINER"
)]
pub struct NameError(String);

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        let error = || NameError(text.to_owned());
        // As `kubectl` prints ids, and `docker inspect` names.
        let word = text.split_once("://").map_or(text, |(_, id)| id);
        let word = word.strip_prefix('/').unwrap_or(word);
        let parts: Vec<&str> = word.split('/').collect();
        if parts
            .iter()
            .any(|part| part.is_empty() || part.contains(char::is_whitespace))
        {
            return Err(error());
        }
        match parts[..] {
            [name] => Ok(Name::Plain(name.to_owned())),
            [namespace, pod] => Ok(Name::pod(namespace, pod, None)),
            [namespace, pod, container] => Ok(Name::pod(namespace, pod, Some(container))),
            _ => Err(error()),
        }
    }
}

impl Name {
    fn pod(namespace: &str, pod: &str, container: Option<&str>) -> Name {
        Name::Pod {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.map(str::to_owned),
        }
    }

    /// Whether a container is called exactly so.
    pub(super) fn is(&self, container: &Container) -> bool {
        match self {
            Name::Plain(name) => container.id == *name || container.names.contains(name),
            Name::Pod {
                namespace,
                pod,
                container: wanted,
            } => container.pod.as_ref().is_some_and(|of| {
                of.namespace == *namespace
                    && of.name == *pod
                    && of.container.is_some()
                    && (wanted.is_none() || of.container == *wanted)
            }),
        }
    }

    /// Whether a container's id begins so. Ids that people chose are names, and are written out.
    pub(super) fn begins(&self, container: &Container) -> bool {
        match self {
            Name::Plain(name) => super::process::is_long_id(&container.id) && container.id.starts_with(name),
            Name::Pod { .. } => false,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Plain(name) => f.write_str(name),
            Name::Pod {
                namespace,
                pod,
                container: None,
            } => write!(f, "{namespace}/{pod}"),
            Name::Pod {
                namespace,
                pod,
                container: Some(container),
            } => write!(f, "{namespace}/{pod}/{container}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_tools_print_them() {
        let plain = |text: &str| Name::Plain(text.to_owned());
        assert_eq!("web".parse(), Ok(plain("web")));
        assert_eq!("/web".parse(), Ok(plain("web")));
        assert_eq!("containerd://0b83".parse(), Ok(plain("0b83")));
        assert_eq!("shop/cart-0".parse(), Ok(Name::pod("shop", "cart-0", None)));
        assert_eq!(
            "shop/cart-0/app".parse(),
            Ok(Name::pod("shop", "cart-0", Some("app")))
        );
        for wrong in ["", "/", "a/", "a//b", "a/b/c/d", "my web"] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }
}
