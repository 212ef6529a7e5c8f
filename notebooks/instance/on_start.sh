# Runs each time the instance starts: unpacks the project next to earlier versions, starts the keeper.
# Runs as the user, in a login shell. SageMaker allows five minutes, so the keeper does what takes
# longer. stacks/notebook.py documents the arguments.
archive=$1 version=$2
shift 2
project=$HOME/SageMaker/recommendation-engine-$version
python=$HOME/anaconda3/envs/python3/bin/python # SageMaker's own, with boto3

if [ ! -d "$project" ]; then # an existing folder belongs to the user
    part=$(mktemp -d "$HOME/SageMaker/.unpacked-XXXXXX")
    aws s3 cp --only-show-errors "$archive" "$part.zip"
    "$python" -m zipfile -e "$part.zip" "$part"
    sed -i 's/"name": "python3"/"name": "recommendation-engine"/' "$part"/notebooks/*.ipynb
    chmod 755 "$part"
    mv "$part" "$project"
    rm "$part.zip"
fi
nohup "$python" "$project/notebooks/instance/keeper.py" "$@" >>"$project/keeper.log" 2>&1 </dev/null &
