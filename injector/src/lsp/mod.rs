//! A language server for rule files, over standard input and output: what `check` finds as you type, completion and
//! hover. It knows the program that a file is for by the file's target or by a comment in it.

mod check;
mod complete;
mod cursor;
mod hover;
mod keys;
mod programs;
mod text;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;

use goinject_rules::source::Source;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{Completion, HoverRequest, Request as _};
use lsp_types::{
    CompletionOptions, CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, HoverParams, HoverProviderCapability,
    PublishDiagnosticsParams, SaveOptions, ServerCapabilities, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions,
    Uri,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::keys::Keys;
use self::programs::{Named, Program, Programs, named};

/// Serves one editor until it says that it is done. The error is in words.
pub fn serve() -> Result<(), String> {
    let (connection, threads) = Connection::stdio();
    let (id, _) = connection.initialize_start().map_err(|error| error.to_string())?;
    let answer = json!({
        "capabilities": capabilities(),
        "serverInfo": {"name": "goinject", "version": env!("CARGO_PKG_VERSION")},
    });
    connection
        .initialize_finish(id, answer)
        .map_err(|error| error.to_string())?;
    let mut server = Server {
        connection: &connection,
        documents: HashMap::new(),
        unchecked: BTreeSet::new(),
        programs: Programs::default(),
        known: HashMap::new(),
        keys: Keys::new(),
    };
    let outcome = server.run();
    drop(connection);
    threads.join().map_err(|error| error.to_string())?;
    outcome
}

/// The program of a file that is no YAML yet, by what stands above its rules.
fn named_above(source: &Source) -> Option<Named> {
    let lines = source.text().split_inclusive('\n');
    let mut text: String = lines.take_while(|line| !line.starts_with("rules:")).collect();
    text.push_str("rules: [{function: main.main, mode: observe}]\n");
    let source = Source::new(source.path(), text);
    named(&source, goinject_rules::parse_in_part(&source).0.as_ref())
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::FULL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions::default())),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([".", "(", "*", " ", "{", "["].map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        ..ServerCapabilities::default()
    }
}

struct Server<'c> {
    connection: &'c Connection,
    documents: HashMap<String, (Uri, Source)>,
    /// Documents that changed since they were checked.
    unchecked: BTreeSet<String>,
    programs: Programs,
    /// The program that each document named when it was last whole.
    known: HashMap<String, PathBuf>,
    keys: Keys,
}

impl Server<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Ok(message) = self.connection.receiver.recv() {
            match message {
                Message::Request(request) => {
                    let is_end = self
                        .connection
                        .handle_shutdown(&request)
                        .map_err(|error| error.to_string())?;
                    if is_end {
                        return Ok(());
                    }
                    let answer = self.answer(request);
                    self.send(Message::Response(answer))?;
                }
                Message::Notification(notification) => self.note(notification),
                Message::Response(_) => {}
            }
            // While somebody types, only the last state is worth looking at.
            if self.connection.receiver.is_empty() {
                self.check()?;
            }
        }
        Ok(())
    }

    fn send(&self, message: Message) -> Result<(), String> {
        let sent = self.connection.sender.send(message);
        sent.map_err(|_| "the editor has closed the connection".to_owned())
    }

    fn answer(&mut self, request: Request) -> Response {
        let id = request.id.clone();
        // A defect ends one answer, and not the editor's session.
        let answer = catch_unwind(AssertUnwindSafe(|| match request.method.as_str() {
            Completion::METHOD => Some(self.complete(request.params)),
            HoverRequest::METHOD => Some(self.hover(request.params)),
            _ => None,
        }));
        match answer {
            Ok(Some(value)) => Response::new_ok(id, value),
            Ok(None) => {
                let message = format!("goinject has no `{}`", request.method);
                Response::new_err(id, ErrorCode::MethodNotFound as i32, message)
            }
            Err(_) => Response::new_err(
                id,
                ErrorCode::InternalError as i32,
                "a defect in goinject".to_owned(),
            ),
        }
    }

    fn complete(&mut self, params: Value) -> Value {
        let Ok(params) = serde_json::from_value::<CompletionParams>(params) else {
            return Value::Null;
        };
        self.at(&params.text_document_position, |source, offset, keys, program| {
            json!(complete::offers(source, offset, keys, program))
        })
    }

    fn hover(&mut self, params: Value) -> Value {
        let Ok(params) = serde_json::from_value::<HoverParams>(params) else {
            return Value::Null;
        };
        self.at(
            &params.text_document_position_params,
            |source, offset, keys, program| json!(hover::told(source, offset, keys, program)),
        )
    }

    /// Looks at a place of a document that is a rule file, together with its program.
    fn at(
        &mut self,
        place: &TextDocumentPositionParams,
        look: impl FnOnce(&Source, usize, &Keys, Option<&Program>) -> Value,
    ) -> Value {
        let Some((_, source)) = self.documents.get(place.text_document.uri.as_str()) else {
            return Value::Null;
        };
        if !check::is_rule_file(source) {
            return Value::Null;
        }
        let offset = text::offset(source.text(), place.position);
        let rules = goinject_rules::parse_in_part(source).0;
        let known = self.known.get(place.text_document.uri.as_str());
        let path = match (named(source, rules.as_ref()), rules) {
            (Some(named), _) => Some(named.path),
            // What is being written may be no YAML for the moment: its program is still the same.
            (None, None) => known.cloned(),
            (None, Some(_)) => None,
        };
        let program: Option<Rc<Program>> = path.and_then(|path| self.programs.open(&path).ok());
        look(source, offset, &self.keys, program.as_deref())
    }

    fn note(&mut self, notification: Notification) {
        fn read<P: DeserializeOwned>(params: Value) -> Option<P> {
            serde_json::from_value(params).ok()
        }
        let params = notification.params;
        match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                if let Some(DidOpenTextDocumentParams { text_document }) = read(params) {
                    self.put(text_document.uri, text_document.text);
                }
            }
            DidChangeTextDocument::METHOD => {
                if let Some(DidChangeTextDocumentParams {
                    text_document,
                    content_changes,
                }) = read(params)
                    && let Some(last) = content_changes.into_iter().next_back()
                {
                    self.put(text_document.uri, last.text);
                }
            }
            DidSaveTextDocument::METHOD => {
                if let Some(DidSaveTextDocumentParams { text_document, .. }) = read(params) {
                    self.unchecked.insert(text_document.uri.as_str().to_owned());
                }
            }
            DidCloseTextDocument::METHOD => {
                if let Some(DidCloseTextDocumentParams { text_document }) = read(params) {
                    self.documents.remove(text_document.uri.as_str());
                    self.unchecked.insert(text_document.uri.as_str().to_owned());
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, uri: Uri, text: String) {
        let key = uri.as_str().to_owned();
        let path = text::path(&uri).unwrap_or_else(|| key.clone().into());
        self.unchecked.insert(key.clone());
        let source = Source::new(path, text);
        let rules = goinject_rules::parse_in_part(&source).0;
        match named(&source, rules.as_ref()) {
            Some(named) => drop(self.known.insert(key.clone(), named.path)),
            None if rules.is_none() && !self.known.contains_key(&key) => {
                let above = named_above(&source).map(|named| (key.clone(), named.path));
                self.known.extend(above);
            }
            None => {}
        }
        self.documents.insert(key, (uri, source));
    }

    /// Checks what has changed, and tells the editor all that is wrong there now.
    fn check(&mut self) -> Result<(), String> {
        for key in std::mem::take(&mut self.unchecked) {
            let Ok(uri) = key.parse::<Uri>() else { continue };
            let diagnostics = match self.documents.get(&key) {
                // A closed document has none any more.
                None => Vec::new(),
                Some((uri, source)) => {
                    let programs = &mut self.programs;
                    catch_unwind(AssertUnwindSafe(|| check::findings(source, uri, programs)))
                        .unwrap_or_default()
                }
            };
            let params = PublishDiagnosticsParams {
                uri,
                diagnostics,
                version: None,
            };
            let method = PublishDiagnostics::METHOD.to_owned();
            self.send(Message::Notification(Notification::new(method, params)))?;
        }
        Ok(())
    }
}
