/* What Leptonica takes, in milliseconds of processor time, one thread, best of REPS:
 *   leptonica find FILE REPS      the skew of a page in memory, with its own defaults
 *   leptonica deliver FILE REPS   a page in memory straightened and encoded as JPEG of quality 85 in memory
 *   leptonica write FILE OUT      straightened, as a file without loss, to look at
 * Made and run by `make bench`. Its JPEG encoder is Debian's libjpeg-turbo. */
#include <leptonica/allheaders.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "leptonica find|deliver FILE REPS, or write FILE OUT\n");
        return 2;
    }
    setMsgSeverity(L_SEVERITY_NONE);
    PIX *page = pixRead(argv[2]);
    if (!page) {
        fprintf(stderr, "%s: cannot be read\n", argv[2]);
        return 2;
    }
    if (!strcmp(argv[1], "write"))
        return pixWrite(argv[3], pixDeskew(page, 2), IFF_PNG);
    double best = 1e9;
    for (int rep = 0; rep < atoi(argv[3]); rep++) {
        double began = now();
        if (!strcmp(argv[1], "find")) {
            l_float32 angle, confidence;
            PIX *bits = pixConvertTo1(page, 130);
            pixFindSkew(bits, &angle, &confidence);
            pixDestroy(&bits);
        } else {
            l_uint8 *file;
            size_t size;
            PIX *straight = pixDeskew(page, 2);
            pixWriteMemJpeg(&file, &size, straight, 85, 0);
            lept_free(file);
            pixDestroy(&straight);
        }
        double took = now() - began;
        if (took < best) best = took;
    }
    printf("%.2f\n", best);
    return 0;
}
