//! The shim as an addon for Node, which src/preload loads with `process.dlopen`: `ready(name)`,
//! `leave()`, `inherited()`.
//!
//! Node's functions are looked up when Node asks for them, so that the library has no symbol that
//! other programs could not resolve. Node-API 1, which every Node from 8 on has
//! (nodejs.org/api/n-api.html).

use core::ffi::{CStr, c_char, c_int, c_void};
use core::{mem, ptr};

use crate::{balance, ready, sockets, sys};

type Env = *mut c_void;
type Value = *mut c_void;
type Callback = unsafe extern "C" fn(Env, *mut c_void) -> Value;

const OK: c_int = 0;
/// `NAPI_AUTO_LENGTH`.
const TO_ZERO: usize = usize::MAX;

/// The functions of Node-API that are used here.
struct Api {
    create_function:
        unsafe extern "C" fn(Env, *const c_char, usize, Callback, *mut c_void, *mut Value) -> c_int,
    set_named_property: unsafe extern "C" fn(Env, Value, *const c_char, Value) -> c_int,
    get_cb_info: unsafe extern "C" fn(
        Env,
        *mut c_void,
        *mut usize,
        *mut Value,
        *mut Value,
        *mut *mut c_void,
    ) -> c_int,
    get_value_string_utf8:
        unsafe extern "C" fn(Env, Value, *mut c_char, usize, *mut usize) -> c_int,
    get_boolean: unsafe extern "C" fn(Env, bool, *mut Value) -> c_int,
    create_uint32: unsafe extern "C" fn(Env, u32, *mut Value) -> c_int,
}

impl Api {
    fn find() -> Option<Self> {
        // SAFETY: functions of these types have these names (js_native_api.h).
        unsafe {
            Some(Self {
                create_function: function(c"napi_create_function")?,
                set_named_property: function(c"napi_set_named_property")?,
                get_cb_info: function(c"napi_get_cb_info")?,
                get_value_string_utf8: function(c"napi_get_value_string_utf8")?,
                get_boolean: function(c"napi_get_boolean")?,
                create_uint32: function(c"napi_create_uint32")?,
            })
        }
    }
}

/// # Safety
/// `F` is the type of a pointer to the function of that name.
unsafe fn function<F>(name: &CStr) -> Option<F> {
    let address = sys::function(name)?;
    // SAFETY: promised by the caller; function pointers are addresses on every target.
    Some(unsafe { mem::transmute_copy(&address) })
}

/// What Node calls after loading: puts the functions into `exports`.
///
/// # Safety
/// `env` and `exports` are Node's.
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn napi_register_module_v1(env: Env, exports: Value) -> Value {
    let functions: [(&CStr, Callback); 3] = [
        (c"ready", ready),
        (c"leave", leave),
        (c"inherited", inherited),
    ];
    if let Some(api) = Api::find() {
        for (name, function) in functions {
            let mut value = ptr::null_mut();
            // SAFETY: Node's own env and exports, C strings, a place for the result.
            unsafe {
                let name = name.as_ptr();
                let data = ptr::null_mut();
                if (api.create_function)(env, name, TO_ZERO, function, data, &mut value) == OK {
                    (api.set_named_property)(env, exports, name, value);
                }
            }
        }
    }
    exports
}

/// `READY=1` to the socket named by the first argument, a `NOTIFY_SOCKET`. True when it was sent.
unsafe extern "C" fn ready(env: Env, info: *mut c_void) -> Value {
    let Some(api) = Api::find() else {
        return ptr::null_mut();
    };
    let mut name = [0u8; 256];
    let mut argument = ptr::null_mut();
    let (mut count, mut length) = (1, 0);
    // SAFETY: Node's own env and info; every place is as large as its size says.
    let sent = unsafe {
        let (this, data) = (ptr::null_mut(), ptr::null_mut());
        (api.get_cb_info)(env, info, &mut count, &mut argument, this, data) == OK
            && count == 1
            && (api.get_value_string_utf8)(
                env,
                argument,
                name.as_mut_ptr().cast(),
                name.len(),
                &mut length,
            ) == OK
            && name.get(..length).is_some_and(ready::send_to)
    };
    boolean(&api, env, sent)
}

/// Takes no further connection from the inherited listeners. True when there was one.
unsafe extern "C" fn leave(env: Env, _: *mut c_void) -> Value {
    match Api::find() {
        Some(api) => boolean(&api, env, balance::leave()),
        None => ptr::null_mut(),
    }
}

/// How many inherited listeners stand in the place of the app's own.
unsafe extern "C" fn inherited(env: Env, _: *mut c_void) -> Value {
    let mut value = ptr::null_mut();
    if let Some(api) = Api::find() {
        // SAFETY: Node's own env and a place for the result.
        unsafe { (api.create_uint32)(env, sockets::taken(), &mut value) };
    }
    value
}

fn boolean(api: &Api, env: Env, truth: bool) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: Node's own env and a place for the result.
    unsafe { (api.get_boolean)(env, truth, &mut value) };
    value
}
