//! How an operation finds its address and reads its answer.
//!
//! The generator puts each address together as text, which is then parsed as a whole for each request; sends a header
//! of its own, which is no part of the contract; and reads answers of any size, and errors only of one shape. What it
//! wrote for that is replaced by calls of `sandbox_api::hooks`.

use syn::{
    Expr, ExprCall, ExprMethodCall, File, Lit, Macro, Stmt, Token, Type, parse_quote,
    punctuated::Punctuated,
    visit::{Visit, visit_macro},
    visit_mut::{VisitMut, visit_block_mut, visit_expr_mut, visit_file_mut},
};

use crate::Error;

/// Adapts every operation of a generated client.
///
/// # Errors
/// [`Error::Unsupported`] if the generator has written something else than what is replaced here: left as it is, it
/// would read answers without bounds.
pub(crate) fn adapt(file: &mut File) -> Result<(), Error> {
    Operations.visit_file_mut(file);
    let mut left = Left(None);
    left.visit_file(file);
    match left.0 {
        None => Ok(()),
        Some(what) => Err(Error::unsupported("the generated client", what)),
    }
}

struct Operations;

impl VisitMut for Operations {
    fn visit_file_mut(&mut self, file: &mut File) {
        visit_file_mut(self, file);
    }

    /// The address of the API is parsed once.
    fn visit_field_mut(&mut self, field: &mut syn::Field) {
        if field.ident.as_ref().is_some_and(|name| name == "baseurl") {
            field.ty = parse_quote!(::reqwest::Url);
        }
    }

    fn visit_pat_type_mut(&mut self, parameter: &mut syn::PatType) {
        if *parameter.pat == parse_quote!(baseurl) {
            let url: Type = parse_quote!(::reqwest::Url);
            *parameter.ty = url;
        }
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        visit_block_mut(self, block);
        let headers = block.stmts.len();
        block.stmts.retain(|statement| !is_version_header(statement));
        let removed = block.stmts.len() < headers;
        if removed && !block.stmts.iter().any(adds_header) {
            block.stmts.retain(|statement| !makes_headers(statement));
            WithoutHeaders.visit_block_mut(block);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match replacement(expr) {
            Some(other) => *expr = other,
            None => visit_expr_mut(self, expr),
        }
    }
}

fn replacement(expr: &Expr) -> Option<Expr> {
    let refusal: Expr = parse_quote!(Error::ErrorResponse(
        ResponseValue::from_response(response).await?
    ));
    let value: Expr = parse_quote!(ResponseValue::from_response(response).await);
    let base: Expr = parse_quote!(baseurl.to_string());
    match expr {
        Expr::Macro(text) => address(&text.mac),
        _ if *expr == refusal => Some(parse_quote!(crate::hooks::refusal(response).await)),
        _ if *expr == value => Some(parse_quote!(crate::hooks::value(response).await)),
        _ if *expr == base => Some(parse_quote!(baseurl)),
        _ => None,
    }
}

/// The address that `format!("{}/sessions/{}", self.baseurl, encode_path(&id))` writes.
fn address(text: &Macro) -> Option<Expr> {
    let arguments = text
        .parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
        .ok()?;
    let mut arguments = arguments.into_iter();
    let Expr::Lit(template) = arguments.next()? else {
        return None;
    };
    let Lit::Str(template) = template.lit else {
        return None;
    };
    if arguments.next()? != parse_quote!(self.baseurl) {
        return None;
    }
    let segments: Vec<Expr> = template
        .value()
        .strip_prefix("{}/")?
        .split('/')
        .map(|segment| match segment {
            "{}" => arguments.next().and_then(encoded),
            text => (!text.contains(['{', '}'])).then(|| parse_quote!(#text)),
        })
        .collect::<Option<_>>()?;
    Some(parse_quote!(crate::hooks::address(&self.baseurl, &[#(#segments),*])))
}

/// The `x` of `encode_path(x)`.
fn encoded(expr: Expr) -> Option<Expr> {
    match expr {
        Expr::Call(ExprCall { func, args, .. }) if *func == parse_quote!(encode_path) => {
            args.into_iter().next()
        }
        _ => None,
    }
}

fn is_version_header(statement: &Stmt) -> bool {
    let version: Stmt = parse_quote!(header_map.append(
        ::reqwest::header::HeaderName::from_static("api-version"),
        ::reqwest::header::HeaderValue::from_static(Self::api_version()),
    ););
    *statement == version
}

fn makes_headers(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Local(local) if local.pat == parse_quote!(mut header_map))
}

fn adds_header(statement: &Stmt) -> bool {
    struct Appends(bool);
    impl Visit<'_> for Appends {
        fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
            self.0 |= call.method == "append" && *call.receiver == parse_quote!(header_map);
        }
    }
    let mut appends = Appends(false);
    appends.visit_stmt(statement);
    appends.0
}

/// Takes `.headers(header_map)` away.
struct WithoutHeaders;

impl VisitMut for WithoutHeaders {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_expr_mut(self, expr);
        if let Expr::MethodCall(call) = expr
            && call.method == "headers"
            && call.args.first() == Some(&parse_quote!(header_map))
        {
            *expr = (*call.receiver).clone();
        }
    }
}

/// What ought to have been replaced.
struct Left(Option<&'static str>);

impl<'ast> Visit<'ast> for Left {
    fn visit_ident(&mut self, name: &'ast syn::Ident) {
        if name == "from_response" {
            self.0 = Some("an answer that is read in an unknown way");
        } else if name == "encode_path" {
            self.0 = Some("an address that is made in an unknown way");
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        if text.value() == "api-version" {
            self.0 = Some("a header that is no part of the contract");
        }
    }

    fn visit_macro(&mut self, text: &'ast Macro) {
        if text.path.is_ident("format") {
            self.0 = Some("an address that is made in an unknown way");
        }
        visit_macro(self, text);
    }

    // Imports name what is not used any more.
    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}
}
