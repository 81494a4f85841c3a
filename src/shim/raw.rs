//! syscall(2), without the libc function of that name: the shim stands in front of that one too.

use core::arch::asm;
use core::ffi::{c_int, c_uint, c_ulong};

use crate::sys::set_errno;

#[cfg(target_arch = "x86_64")]
pub unsafe fn syscall(number: i64, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the caller's own system call; the kernel's calling convention, syscall(2).
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b,
             in("rdx") c, in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _,
             options(nostack));
    }
    result
}

#[cfg(target_arch = "aarch64")]
pub unsafe fn syscall(number: i64, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the caller's own system call; the kernel's calling convention, syscall(2).
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => result, in("x1") b,
             in("x2") c, in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    result
}

#[cfg(target_arch = "riscv64")]
pub unsafe fn syscall(number: i64, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the caller's own system call; the kernel's calling convention, syscall(2).
    unsafe {
        asm!("ecall", in("a7") number, inlateout("a0") a as isize => result, in("a1") b,
             in("a2") c, in("a3") d, in("a4") e, in("a5") f, options(nostack));
    }
    result
}

#[cfg(target_arch = "loongarch64")]
pub unsafe fn syscall(number: i64, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the caller's own system call; the kernel's calling convention, syscall(2). The kernel
    // keeps none of $t0 to $t8.
    unsafe {
        asm!("syscall 0", in("$a7") number, inlateout("$a0") a as isize => result, in("$a1") b,
             in("$a2") c, in("$a3") d, in("$a4") e, in("$a5") f,
             lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _,
             lateout("$t4") _, lateout("$t5") _, lateout("$t6") _, lateout("$t7") _,
             lateout("$t8") _, options(nostack));
    }
    result
}

/// An argument of a system call.
pub trait Word {
    fn word(self) -> usize;
}

impl Word for c_int {
    fn word(self) -> usize {
        self as usize
    }
}

impl Word for c_uint {
    fn word(self) -> usize {
        self as usize
    }
}

impl Word for c_ulong {
    fn word(self) -> usize {
        self as usize
    }
}

impl Word for usize {
    fn word(self) -> usize {
        self
    }
}

impl<T> Word for *const T {
    fn word(self) -> usize {
        self.expose_provenance()
    }
}

impl<T> Word for *mut T {
    fn word(self) -> usize {
        self.expose_provenance()
    }
}

/// A system call with up to six arguments, its error in errno.
///
/// # Safety
/// As the system call.
pub unsafe fn system<const N: usize>(number: i32, arguments: [usize; N]) -> c_int {
    let mut words = [0; 6];
    for (place, argument) in words.iter_mut().zip(arguments) {
        *place = argument;
    }
    // SAFETY: promised by the caller.
    let result = unsafe { syscall(number.into(), words) };
    if (-4095..0).contains(&result) {
        set_errno(-result as c_int);
        return -1;
    }
    result as c_int
}
