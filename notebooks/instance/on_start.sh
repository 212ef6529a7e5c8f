# Each time the instance starts: the project beside what earlier versions left, and its keeper.
# Run as the user, with a login shell; SageMaker allows five minutes, so that what takes longer is
# the keeper's. stacks/notebook.py says what the arguments are.
archive=$1 version=$2
shift 2
project=$HOME/SageMaker/recommendation-engine-$version
python=$HOME/anaconda3/envs/python3/bin/python # SageMaker's own, with boto3

if [ ! -d "$project" ]; then # a version's folder is the user's, once it is there
    part=$(mktemp -d "$HOME/SageMaker/.unpacked-XXXXXX")
    aws s3 cp --only-show-errors "$archive" "$part.zip"
    "$python" -m zipfile -e "$part.zip" "$part"
    sed -i 's/"name": "python3"/"name": "recommendation-engine"/' "$part"/notebooks/*.ipynb
    chmod 755 "$part"
    mv "$part" "$project"
    rm "$part.zip"
fi
nohup "$python" "$project/notebooks/instance/keeper.py" "$@" >>"$project/keeper.log" 2>&1 </dev/null &
