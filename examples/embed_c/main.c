/* Loads the weights that examples/treelstm trained, and prints the probability of every label for the first trees of a file:
 * the same bits as `dync run examples/treelstm/scores.dyn`.
 *
 *     main WEIGHTS TREES WORDS LABELS [COUNT]        WORDS and LABELS are how many there are
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

static model_context *context;

static void stop(const char *what) {
    fprintf(stderr, "error: %s: %s\n", what, context ? model_error(context) : "there is no memory");
    exit(1);
}

/* `12` or `(TREE TREE)`; `*at` moves behind it. */
static model_Tree *read_tree(const char **at) {
    model_Tree *made = NULL;
    while (isspace((unsigned char)**at)) ++*at;
    if (**at == '(') {
        ++*at;
        model_Tree *left = read_tree(at), *right = read_tree(at);
        while (isspace((unsigned char)**at)) ++*at;
        ++*at; /* the closing bracket */
        if (model_Tree_Node(context, left, right, &made)) stop("a node"); /* takes over both */
    } else {
        char *end;
        if (model_Tree_Leaf(context, strtol(*at, &end, 10), &made)) stop("a leaf");
        *at = end;
    }
    return made;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: %s WEIGHTS TREES WORDS LABELS [COUNT]\n", argv[0]);
        return 2;
    }
    const long words = atol(argv[3]), labels = atol(argv[4]), count = argc > 5 ? atol(argv[5]) : 3;
    context = model_create();
    if (!context) stop("the context");

    model_Model *model = NULL;
    if (model_Model_load(context, words, 128, labels, argv[1], &model)) stop(argv[1]);
    FILE *file = fopen(argv[2], "r");
    if (!file) {
        perror(argv[2]);
        return 1;
    }
    float *scores = (float *)malloc((size_t)labels * sizeof *scores);
    static char line[1 << 16];
    for (long i = 0; i < count && fgets(line, sizeof line, file); ++i) {
        char *after_label;
        strtol(line, &after_label, 10);
        const char *at = after_label;
        model_Tree *tree = read_tree(&at);
        if (model_scores(context, model, tree, scores)) stop("scores");
        for (long k = 0; k < labels; ++k) printf("%.9e\n", scores[k]);
        model_Tree_release(context, tree);
    }
    fclose(file);
    free(scores);
    model_Model_free(context, model);
    const int leaked = model_live_blocks(context) != 0;
    model_destroy(context);
    return leaked;
}
