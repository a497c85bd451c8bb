/* A host that loads a library with folio in it, by its path, and unloads it after its first checked access.
 *
 * host LIBRARY SCENARIO. What it says on its way, and how it ends, is for the test to look at. */

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf out;

static void jump_out(int signal) {
    (void)signal;
    siglongjmp(out, 1);
}

static void end_thread(int signal) {
    (void)signal;
    pthread_exit(NULL);
}

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* Loads the library, has it make its accesses, and unloads it. */
static void use_library(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        fail(dlerror());
    int (*access_file)(void) = (int (*)(void))dlsym(library, "plugin_access");
    if (!access_file)
        fail(dlerror());
    if (access_file() != 0)
        fail("the accesses went wrong");
    if (dlclose(library) != 0)
        fail(dlerror());
}

/* A page of a file that is shorter. */
static volatile char *lost_page(void) {
    FILE *file = tmpfile();
    if (!file)
        fail("no file");
    char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    if (at == MAP_FAILED)
        fail("no mapping");
    return at;
}

static volatile char *null_page;

static void *write_to_null(void *nothing) {
    (void)nothing;
    null_page[8] = 1;
    return (void *)1;
}

static void catch_by(void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGSEGV, &action, NULL);
}

int main(int count, char **words) {
    if (count != 3)
        fail("host LIBRARY SCENARIO");
    const char *path = words[1], *scenario = words[2];
    if (!strcmp(scenario, "touch")) {
        use_library(path);
        puts("unloaded");
        fflush(stdout);
        return lost_page()[0];
    }
    if (!strcmp(scenario, "send")) {
        use_library(path);
        puts("unloaded");
        fflush(stdout);
        raise(SIGBUS);
        return 0;
    }
    if (!strcmp(scenario, "again")) {
        for (int i = 0; i < 20; i++)
            use_library(path);
        puts("unloaded");
        return 0;
    }
    if (!strcmp(scenario, "jump")) {
        /* Out of the handler that was there before, over folio's frames. The mask is the program's own to bring back. */
        catch_by(jump_out, 0);
        use_library(path);
        for (volatile int i = 0; i < 1000; i++) {
            if (sigsetjmp(out, 1) == 0)
                null_page[8] = 1;
            else if (i % 100 == 0)
                use_library(path);
        }
        puts("jumped");
        return 0;
    }
    if (!strcmp(scenario, "jump without the mask")) {
        /* Whoever does this asks for SA_NODEFER, or the second fault ends the program. */
        catch_by(jump_out, SA_NODEFER);
        use_library(path);
        for (volatile int i = 0; i < 1000; i++) {
            if (sigsetjmp(out, 0) == 0)
                null_page[8] = 1;
        }
        use_library(path);
        puts("jumped");
        return 0;
    }
    if (!strcmp(scenario, "end threads")) {
        /* The handler that was there before ends the thread that it runs in. */
        catch_by(end_thread, 0);
        use_library(path);
        for (int i = 0; i < 100; i++) {
            pthread_t thread;
            void *result = (void *)1;
            if (pthread_create(&thread, NULL, write_to_null, NULL) != 0 || pthread_join(thread, &result) != 0)
                fail("no thread");
            if (result != NULL)
                fail("the thread went on");
        }
        use_library(path);
        puts("ended");
        return 0;
    }
    fail("no such scenario");
    return 1;
}
