//! Completing the generated mocks.
//!
//! The generator's mocks know paths, parameters and JSON bodies. What it leaves out or gets wrong is put right here:
//! they match under any base path, take and give bytes where the document says so, can set the documented headers of
//! answers, and are documented with the document's own words.

mod docs;
mod headers;

use heck::{ToPascalCase, ToSnakeCase};
use openapiv3::{OpenAPI, Operation, PathItem, ReferenceOr};
use syn::{
    Expr, ExprLit, File, Ident, ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, ItemTrait, Lit, Macro, Token,
    Type, parse::Parser, parse_quote, punctuated::Punctuated, visit_mut::VisitMut,
};

use crate::Error;

/// An operation with the names its mock has.
struct Mocked<'a> {
    path: &'a str,
    method: &'a str,
    item: &'a PathItem,
    operation: &'a Operation,
    /// Of the method that makes the mock.
    function: String,
    /// Of what a request must be like.
    when: String,
    /// Of how it is answered.
    then: String,
}

pub(crate) fn complete(document: &OpenAPI, file: &mut File) -> Result<(), Error> {
    AnyBasePath.visit_file_mut(file);
    for mocked in operations(document) {
        let at = format!("{} {}", mocked.method, mocked.path);
        let missing = |what: &str| Error::unsupported(at.as_str(), format!("an operation without {what}"));
        let module = operations_module(file).ok_or_else(|| missing("mocks"))?;
        let when = methods_of(module, &mocked.when).ok_or_else(|| missing("a mocked request"))?;
        take_bytes(when)?;
        docs::request(document, &mocked, when);
        if needs_token(document, &mocked) {
            when.items.push(bearer_token());
        }
        let then = methods_of(module, &mocked.then).ok_or_else(|| missing("a mocked answer"))?;
        give_bytes(then)?;
        docs::answer(document, &mocked, then);
        headers::add(document, &mocked, then)?;
        docs::types(&mocked, module);
        docs::function(&mocked, extension_trait(file).ok_or_else(|| missing("a trait"))?);
    }
    Ok(())
}

fn operations(document: &OpenAPI) -> Vec<Mocked<'_>> {
    let items = document.paths.iter();
    items
        .filter_map(|(path, item)| Some((path, item.as_item()?)))
        .flat_map(|(path, item)| {
            item.iter().filter_map(move |(method, operation)| {
                let id = operation.operation_id.as_deref()?;
                Some(Mocked {
                    path,
                    method,
                    item,
                    operation,
                    function: id.to_snake_case(),
                    when: format!("{id}-when").to_pascal_case(),
                    then: format!("{id}-then").to_pascal_case(),
                })
            })
        })
        .collect()
}

fn operations_module(file: &mut File) -> Option<&mut ItemMod> {
    file.items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == "operations" => Some(module),
        _ => None,
    })
}

fn extension_trait(file: &mut File) -> Option<&mut ItemTrait> {
    file.items.iter_mut().find_map(|item| match item {
        Item::Trait(item) => Some(item),
        _ => None,
    })
}

fn methods_of<'a>(module: &'a mut ItemMod, name: &str) -> Option<&'a mut ItemImpl> {
    let (_, items) = module.content.as_mut()?;
    items.iter_mut().find_map(|item| match item {
        Item::Impl(block) if matches!(&*block.self_ty, Type::Path(path) if path.path.is_ident(name)) => {
            Some(block)
        }
        _ => None,
    })
}

fn functions(block: &mut ItemImpl) -> impl Iterator<Item = &mut ImplItemFn> {
    block.items.iter_mut().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    })
}

/// Bodies of bytes are typed as JSON values by the generator.
fn take_bytes(when: &mut ItemImpl) -> Result<(), Error> {
    let json: Type = syn::parse_str("::serde_json::Value")?;
    for function in functions(when).filter(|function| takes(function, &json)) {
        *function = parse_quote! {
            pub fn body(self, value: impl Into<Vec<u8>>) -> Self {
                let value = value.into();
                Self(self.0.is_true(move |request| request.body_ref() == value))
            }
        };
    }
    Ok(())
}

/// Answers of bytes, likewise.
fn give_bytes(then: &mut ItemImpl) -> Result<(), Error> {
    let json: Type = syn::parse_str("::serde_json::Value")?;
    for function in functions(then).filter(|function| takes(function, &json)) {
        let name = &function.sig.ident;
        let status = status(function);
        *function = parse_quote! {
            pub fn #name(self, value: impl AsRef<[u8]>) -> Self {
                Self(self.0.status(#status).header("content-type", "application/octet-stream").body(value))
            }
        };
    }
    Ok(())
}

fn needs_token(document: &OpenAPI, mocked: &Mocked<'_>) -> bool {
    let needed = mocked.operation.security.as_ref().or(document.security.as_ref());
    needed.is_some_and(|schemes| !schemes.is_empty())
}

/// Bearer tokens are the only scheme there is; the client's hooks are written for them.
fn bearer_token() -> ImplItem {
    parse_quote! {
        /// The request carries this token.
        pub fn bearer_token(self, value: &str) -> Self {
            Self(self.0.header("authorization", format!("Bearer {value}")))
        }
    }
}

fn takes(function: &ImplItemFn, wanted: &Type) -> bool {
    let mut inputs = function.sig.inputs.iter();
    inputs.any(|input| matches!(input, syn::FnArg::Typed(input) if *input.ty == *wanted))
}

/// The status that a method of an answer gives, if it gives one of its own.
fn status(function: &ImplItemFn) -> Option<u16> {
    struct Find(Option<u16>);
    impl<'ast> syn::visit::Visit<'ast> for Find {
        fn visit_lit_int(&mut self, literal: &'ast syn::LitInt) {
            self.0 = self.0.or(literal.base10_parse().ok());
        }
    }
    let mut find = Find(None);
    syn::visit::visit_block(&mut find, &function.block);
    find.0
}

/// Takes the anchor off the regular expressions for paths, so that they match behind any base path.
struct AnyBasePath;

impl VisitMut for AnyBasePath {
    fn visit_expr_lit_mut(&mut self, literal: &mut ExprLit) {
        if let Lit::Str(text) = &mut literal.lit
            && let Some(path) = text.value().strip_prefix("^/")
        {
            *text = syn::LitStr::new(&format!("/{path}"), text.span());
        }
    }

    /// The arguments of `format!`, which are mere tokens to a visitor.
    fn visit_macro_mut(&mut self, call: &mut Macro) {
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(mut arguments) = parser.parse2(call.tokens.clone()) {
            arguments
                .iter_mut()
                .for_each(|argument| self.visit_expr_mut(argument));
            call.tokens = parse_quote!(#arguments);
        }
    }
}

fn ident(name: &str) -> Result<Ident, Error> {
    Ok(syn::parse_str(name)?)
}

/// The item itself, if it is written out.
fn written_out<T>(item: Option<&ReferenceOr<T>>) -> Option<&T> {
    item.and_then(ReferenceOr::as_item)
}
