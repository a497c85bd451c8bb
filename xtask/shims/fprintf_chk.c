/* Debian's libunwind.a was built for glibc with checked printing, whose entry point musl does not have. */

#include <stdarg.h>
#include <stdio.h>

int __fprintf_chk(FILE *stream, int level, const char *format, ...)
{
    va_list arguments;
    int written;

    (void)level;
    va_start(arguments, format);
    written = vfprintf(stream, format, arguments);
    va_end(arguments);
    return written;
}
