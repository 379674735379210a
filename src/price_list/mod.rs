//! AWS's price list: from the answers of the Price List API to a newer price book.
//!
//! [`read`] asks, [`product`] understands one product, [`update`] puts what it says in the place of older prices. What
//! the list does not have stays in the book as it was.
//! <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html>

mod product;
mod read;
mod update;

pub use product::{DEEP_ARCHIVE, Product, ProductError, billed_as, parse};
pub use read::{Answers, Failure, read};
pub use update::{Change, Refreshed, SOURCE, refresh};
