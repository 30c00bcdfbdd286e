//! The keys of rule files, as the schema has them.

use serde_json::Value;

/// A key or a fixed value, with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) about: String,
}

/// The schema of rule files, looked up by the way to a place.
pub(super) struct Keys {
    schema: Value,
}

impl Keys {
    pub(super) fn new() -> Keys {
        let schema = serde_json::from_str(&goinject_rules::schema::rules_schema());
        Keys {
            schema: schema.expect("the schema is JSON"),
        }
    }

    /// The keys of the mapping that a path leads to.
    pub(super) fn of(&self, path: &[String]) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for place in self.at(path) {
            for (name, schema) in place
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if !offers.iter().any(|offer| offer.name == *name) {
                    let about = self.about(schema).or_else(|| self.about(place));
                    offers.push(Offer {
                        name: name.clone(),
                        about: about.unwrap_or_default(),
                    });
                }
            }
        }
        offers
    }

    /// The fixed values that a key may have.
    pub(super) fn values(&self, path: &[String], key: &str) -> Vec<Offer> {
        let mut whole = path.to_vec();
        whole.push(key.to_owned());
        let mut offers = Vec::new();
        for place in self.at(&whole) {
            let about = self.about(place).unwrap_or_default();
            let listed = place.get("enum").and_then(Value::as_array).into_iter().flatten();
            for value in listed.chain(place.get("const")) {
                let name = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                offers.push(Offer {
                    name,
                    about: about.clone(),
                });
            }
            if place.get("type").is_some_and(|ty| ty == "boolean") {
                offers.extend(["true", "false"].map(|name| Offer {
                    name: name.to_owned(),
                    about: String::new(),
                }));
            }
        }
        offers
    }

    /// What a key is for.
    pub(super) fn description(&self, path: &[String], key: &str) -> Option<String> {
        let offer = self.of(path).into_iter().find(|offer| offer.name == key)?;
        (!offer.about.is_empty()).then_some(offer.about)
    }

    /// All forms that may stand where a path leads.
    fn at(&self, path: &[String]) -> Vec<&Value> {
        let mut places = self.forms(&self.schema);
        for key in path {
            let next = places.iter().filter_map(|place| {
                let properties = place.get("properties").and_then(|properties| properties.get(key));
                properties.or_else(|| place.get("additionalProperties").filter(|more| more.is_object()))
            });
            places = next.flat_map(|schema| self.forms(schema)).collect();
        }
        places
    }

    /// A schema with what it refers to, its choices and, of a list, its elements.
    fn forms<'s>(&'s self, schema: &'s Value) -> Vec<&'s Value> {
        let mut forms = vec![schema];
        let mut at = 0;
        while let Some(&form) = forms.get(at) {
            at += 1;
            let referenced = form
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|name| self.schema.pointer(name.strip_prefix('#')?));
            let choices = ["anyOf", "oneOf"]
                .iter()
                .filter_map(|key| form.get(*key)?.as_array());
            let more = referenced
                .into_iter()
                .chain(choices.flatten())
                .chain(form.get("items"));
            for schema in more {
                if !forms.iter().any(|known| std::ptr::eq(*known, schema)) {
                    forms.push(schema);
                }
            }
        }
        forms
    }

    fn about(&self, schema: &Value) -> Option<String> {
        let own = |schema: &Value| Some(schema.get("description")?.as_str()?.to_owned());
        own(schema).or_else(|| self.forms(schema).into_iter().find_map(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offers: Vec<Offer>) -> Vec<String> {
        offers.into_iter().map(|offer| offer.name).collect()
    }

    fn path(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn keys_and_fixed_values() {
        let keys = Keys::new();
        assert!(names(keys.of(&[])).contains(&"limits".to_owned()));
        assert!(names(keys.of(&path(&["rules"]))).contains(&"function".to_owned()));
        assert!(names(keys.of(&path(&["rules", "inject", "delay"]))).contains(&"jitter".to_owned()));
        let value = names(keys.of(&path(&["rules", "inject", "set", "err"])));
        assert!(
            value.contains(&"errno".to_owned()) && value.contains(&"wrap".to_owned()),
            "{value:?}"
        );
        assert!(names(keys.values(&path(&["rules", "when"]), "scope")).contains(&"test".to_owned()));
        assert!(
            names(keys.values(&path(&["rules", "inject", "set", "err"]), "errno"))
                .contains(&"ENOSPC".to_owned())
        );
        assert!(
            keys.description(&path(&["rules", "when"]), "nth")
                .unwrap()
                .contains("counted from 1")
        );
        assert_eq!(keys.description(&path(&["rules"]), "nothing"), None);
    }
}
