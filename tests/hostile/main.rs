//! Guests that mean harm, beside a tenant that must not notice. Each test's name begins with the attack's id; `README.md`
//! lists them.

mod cpu;
mod excess;
mod load;
mod memory;
mod responses;
mod scene;
