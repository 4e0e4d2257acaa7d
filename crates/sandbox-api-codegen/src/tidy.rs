//! Last touches to the syntax tree, before it is printed.

use syn::{
    Attribute, Expr, ExprLit, File, ImplItem, Item, Lit, Meta, Type, parse_quote,
    visit_mut::{VisitMut, visit_file_mut},
};

pub(crate) fn tidy(file: &mut File) {
    remove_client_new(file);
    LineDocs.visit_file_mut(file);
}

/// Removes `Client::new`, which builds an HTTP client with a timeout of 15 seconds, shorter than executions may take,
/// and panics when it cannot. `new_with_client` stays.
fn remove_client_new(file: &mut File) {
    for item in &mut file.items {
        if let Item::Impl(block) = item
            && block.trait_.is_none()
            && matches!(&*block.self_ty, Type::Path(path) if path.path.is_ident("Client"))
        {
            block
                .items
                .retain(|item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"));
        }
    }
}

/// Splits every doc attribute into one for each line, so that they are printed as `///` and not as `/** */`.
struct LineDocs;

impl VisitMut for LineDocs {
    fn visit_file_mut(&mut self, file: &mut File) {
        visit_file_mut(self, file);
    }

    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        *attributes = std::mem::take(attributes)
            .into_iter()
            .flat_map(split_doc)
            .collect();
    }
}

fn split_doc(attribute: Attribute) -> Vec<Attribute> {
    let Some(text) = doc_text(&attribute) else {
        return vec![attribute];
    };
    // The parts from which the generator joins a text end in a line break each: one empty line is enough.
    let mut lines: Vec<_> = text.trim().lines().map(str::trim_end).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    let padded = lines.iter().map(|line| {
        if line.is_empty() {
            String::new()
        } else {
            format!(" {line}")
        }
    });
    padded.map(|line| parse_quote!(#[doc = #line])).collect()
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
